"""How we compare: `make bench`. Each part runs by itself and says ratios, not seconds."""
