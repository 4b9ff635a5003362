"""The guest by hand: `python -m tests.vm --help`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import click

from tests.vm import build, places
from tests.vm.guest import Built, Guest


@click.group(help=__doc__)
@click.option("--name", default="by-hand", show_default=True, help="Which guest; several may run.")
@click.pass_context
def main(context: click.Context, name: str) -> None:
    """Take the guest by its name, running or not."""
    context.obj = Guest(name, Built(places.debian(), places.product()))


@main.command("build")
def build_it() -> None:
    """Make the guest, as far as it is not made of this checkout yet."""
    built = build.ensure()
    click.echo(f"{built.debian}\n{built.product}")


@main.command()
@click.option("--cold", is_flag=True, help="Boot, instead of going on from the snapshot.")
@click.option("--again", is_flag=True, help="Boot with the disk as a cut left it.")
@click.option("--at-work", is_flag=True, help="Go on as a box that is set up; its disk is `stick`.")
@click.option("--clock", default="utc", help="What the hardware clock says, with the above.")
@click.pass_obj
def start(guest: Guest, cold: bool, again: bool, at_work: bool, clock: str) -> None:
    """Start a guest and leave it running."""
    began = time.monotonic()
    build.ensure()
    if again:
        guest.power_on(clock=clock)
    elif cold:
        guest.boot(clock=clock)
    elif at_work:
        guest.resume_at_work()
    else:
        guest.resume()
    click.echo(f"{guest.name} is up after {time.monotonic() - began:.1f} s")


@main.command("exec", context_settings={"ignore_unknown_options": True})
@click.option("--seconds", default=600.0, help="How long it may take.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def run(guest: Guest, seconds: float, command: tuple[str, ...]) -> None:
    """Run a program in the guest; end as it ends. One word is a shell script."""
    words = command if len(command) > 1 else ("sh", "-c", command[0])
    stdin = None if sys.stdin.isatty() else sys.stdin.buffer.read()
    done = guest.call(*words, stdin=stdin, seconds=seconds)
    click.echo(done.out, nl=False)
    click.echo(done.err, nl=False, err=True)
    sys.exit(done.code)


@main.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("folder")
@click.pass_obj
def push(guest: Guest, source: Path, folder: str) -> None:
    """Copy a file or a folder into a folder of the guest."""
    guest.push(source.resolve(), folder)


@main.command()
@click.argument("disk")
@click.option("--size", "size_mib", default=64, show_default=True, help="In MiB.")
@click.option("--fs", type=click.Choice(["ext4", "exfat", "vfat"]), help="Blank without.")
@click.option("--label", default="OFFICE", show_default=True)
@click.option("--partition", is_flag=True)
@click.pass_obj
def disk(
    guest: Guest, disk: str, size_mib: int, fs: str | None, label: str, partition: bool
) -> None:
    """Make a disk of a running guest; plug it then."""
    guest.usb.make(disk, size_mib=size_mib, fs=fs, label=label, partition=partition)


@main.command()
@click.argument("disk")
@click.option("--serial")
@click.option("--rate", "bytes_per_second", type=int, help="Bytes per second.")
@click.option("--read-only", is_flag=True)
@click.pass_obj
def plug(
    guest: Guest, disk: str, serial: str | None, bytes_per_second: int | None, read_only: bool
) -> None:
    """Plug a disk in."""
    guest.usb.plug(disk, serial=serial, bytes_per_second=bytes_per_second, read_only=read_only)


@main.command()
@click.argument("disk")
@click.pass_obj
def yank(guest: Guest, disk: str) -> None:
    """Pull a disk out without a goodbye."""
    guest.usb.yank(disk)


@main.command()
@click.argument("disk")
@click.option("--of", default="write", type=click.Choice(["read", "write", "flush"]))
@click.pass_obj
def sicken(guest: Guest, disk: str, of: str) -> None:
    """Let reads, writes or flushes of a plugged disk fail from now on."""
    guest.usb.sicken(disk, of)


@main.command()
@click.argument("disk")
@click.pass_obj
def heal(guest: Guest, disk: str) -> None:
    """Take the sickness away."""
    guest.usb.heal(disk)


@main.command()
@click.argument("bcm", type=int)
@click.option("--hold", default=0.2, show_default=True, help="Seconds.")
@click.pass_obj
def press(guest: Guest, bcm: int, hold: float) -> None:
    """Press the button on a BCM line."""
    guest.header.press(bcm, hold)


@main.command()
@click.argument("bcm", type=int, nargs=-1, required=True)
@click.pass_obj
def pin(guest: Guest, bcm: tuple[int, ...]) -> None:
    """Print the levels of BCM lines as seen from the wire."""
    click.echo(" ".join(map(str, guest.header.levels(*bcm))))


@main.command()
@click.argument("seconds", type=float)
@click.pass_obj
def watch(guest: Guest, seconds: float) -> None:
    """Print every change on the header for some seconds."""
    with guest.header.recorded() as changes:
        time.sleep(seconds)
    for change in changes:
        click.echo(f"{change.at_seconds:12.6f}  BCM {change.bcm:2}  {change.level}")


@main.command()
@click.argument("guest_port", type=int)
@click.argument("port", type=int)
@click.pass_obj
def forward(guest: Guest, guest_port: int, port: int) -> None:
    """Let a port of 127.0.0.1 here lead to a port of the guest."""
    guest.forward(guest_port, port)


@main.command()
@click.pass_obj
def serial(guest: Guest) -> None:
    """Print what the guest said on its serial console."""
    click.echo(guest.serial())


@main.command()
@click.pass_obj
def cut(guest: Guest) -> None:
    """Cut the power; `start --again` goes on with the disk as it was left."""
    guest.power_cut()


@main.command()
@click.pass_obj
def stop(guest: Guest) -> None:
    """Throw the guest away."""
    guest.forget()


@main.command()
def bench() -> None:
    """Measure what the box costs, in a guest of its own; takes some minutes."""
    from tests.vm.bench import measure

    with Guest("bench", build.ensure()) as guest:
        guest.resume_at_work()
        for line in measure(guest):
            click.echo(line)


if __name__ == "__main__":
    try:
        main()
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        sys.exit(f"vm: {error}")
