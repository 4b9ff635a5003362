"""A Raspberry-Pi-like guest under QEMU's software emulation, and the tests that need one.

    python -m tests.vm build          make the guest (once; later only what changed)
    python -m tests.vm start          resume a fresh copy of it, in about a second
    python -m tests.vm exec lsblk -f  ... and the rest of `python -m tests.vm --help`

Debian trixie with systemd as PID 1, udev, polkit, a simulated GPIO header of 54 lines as a real
/dev/gpiochip0 (kernel module gpio-sim) and an xHCI controller that takes hot-plugged USB disks;
in it the product, installed as a customer would. No KVM, no network once it is built, nothing is
mounted on the host.

    places     where everything lies, what it was made from, who uses it
    debian     the slow half of the guest: Debian, its kernel, the product's .venv
    kernel     a kernel and an initrd that start fast under emulation
    product    the quick half: this checkout installed, a disk image, a snapshot of the RAM
    machine    QEMU's command line
    wires      QMP and the guest agent
    guest      one running guest: its life, commands in it, files into it
    usb        disks that are plugged, pulled out, slow, sick
    header     the GPIO lines as seen from outside
"""
