/* What moves without a reload: the page works without this too. */
