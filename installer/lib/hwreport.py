# SPDX-License-Identifier: BSD-2-Clause
"""What "veneer-hwcheck --report" writes: facts of one machine, for somebody who does not have the machine.

Not here: the look at the machine itself, which is veneer-hwcheck's.  Nothing is written to a device: the registers are read
through sysfs, and only those that a read does not change.
"""
import mmap
import os
import re
import socket

FORMAT = 1
DMI = ("sys_vendor", "product_name", "board_vendor", "board_name", "board_version", "bios_vendor", "bios_version", "bios_date")
IORESOURCE_MEM = 0x200
# By driver: the registers that tell the chip's version and what it can do, as (name, offset, bytes).
REGISTERS = {
    "e1000": (("STATUS", 0x08, 4), ("CTRL_EXT", 0x18, 4)),
    "e1000e": (("STATUS", 0x08, 4), ("CTRL_EXT", 0x18, 4), ("FWSM", 0x5b54, 4), ("EXTCNF_CTRL", 0xf00, 4)),
    "igb": (("STATUS", 0x08, 4), ("CTRL_EXT", 0x18, 4), ("FWSM", 0x5b54, 4)),
    "igc": (("STATUS", 0x08, 4), ("CTRL_EXT", 0x18, 4), ("FWSM", 0x5b54, 4)),
    "realtek": (("TCR", 0x40, 4),),
    "rtl8139": (("TCR", 0x40, 4),),
    "ahci": (("CAP", 0x00, 4), ("PI", 0x0c, 4), ("VS", 0x10, 4), ("CAP2", 0x24, 4)),
    "nvme": (("CAP", 0x00, 8), ("VS", 0x08, 4), ("CSTS", 0x1c, 4)),
}
ALL_ONES = {4: 0xffffffff, 8: 0xffffffffffffffff}
MAC = r"(?<![0-9a-fA-F:-])[0-9a-fA-F]{2}([:-])[0-9a-fA-F]{2}(?:\1[0-9a-fA-F]{2}){4}(?![0-9a-fA-F:-])"
UUID = r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"
IPV4 = r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"
# Terminals' sequences, which a log from a serial line has.
ESCAPES = r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[@-Z\\-_])"


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read().strip()
    except OSError:
        return ""


def memory_bars(path):
    """The numbers of the BARs that are in memory."""
    bars = []
    for number, line in enumerate(read(os.path.join(path, "resource")).split("\n")[:6]):
        fields = [int(field, 16) for field in line.split()] if line else []
        if len(fields) == 3 and fields[2] & IORESOURCE_MEM and fields[1] > fields[0]:
            bars.append(number)
    return bars


def register_lines(path, driver):
    """The registers of one function, or the reason why they are not here.  A device that sleeps reads as ones."""
    bars = memory_bars(path)
    # NVMe's registers are in BAR 0, AHCI's in BAR 5, those of the network cards in the first one in memory.
    bar = 5 if driver == "ahci" else bars[0] if bars else None
    if bar not in bars:
        return ["registers: no BAR in memory"]
    try:
        with open(os.path.join(path, "resource%d" % bar), "rb") as f:
            with mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as window:
                return [register_text(window, *row) for row in REGISTERS[driver] if row[1] + row[2] <= len(window)]
    except (OSError, ValueError) as error:
        return ["registers: not readable (as root, without lockdown): %s" % (getattr(error, "strerror", None) or error)]


def register_text(window, name, offset, size):
    words = memoryview(window).cast("I")
    try:
        value = words[offset // 4] | (words[offset // 4 + 1] << 32 if size == 8 else 0)
    finally:
        words.release()
    return "%s = %0*x%s" % (name, 2 * size, value, " (asleep or gone?)" if value == ALL_ONES[size] else "")


def function_lines(root, dev):
    path = os.path.join(root, "sys/bus/pci/devices", dev.address)
    sub = [read(os.path.join(path, name)).replace("0x", "") or "?" for name in ("subsystem_vendor", "subsystem_device")]
    revision = read(os.path.join(path, "revision")).replace("0x", "") or "?"
    out = ["%s %04x:%04x sub %s:%s class %06x rev %s driver %s msi %s" % (
        dev.address, dev.vendor, dev.device, *sub, dev.class_code, revision,
        dev.driver or "none", {None: "?", True: "yes", False: "no"}[dev.msi])]
    if dev.ids and dev.ids.driver in REGISTERS:
        out += ["    " + line for line in register_lines(path, dev.ids.driver)]
    return out


def log_text(path):
    """The lines of a log without what a terminal makes of them."""
    with open(path, "rb") as f:
        text = f.read().decode("utf-8", "replace")
    return [line.rstrip() for line in re.sub(ESCAPES, "", text).replace("\r", "").split("\n")]


class Cleaner:
    """Takes out what belongs to a person and not to a kind of machine, first of all from @machine itself."""

    def __init__(self, machine, root):
        disks = machine.other_disks + [disk for dev in machine.devices for disk in dev.disks]
        self.serials = sorted({disk.serial for disk in disks if len(disk.serial or "") > 3}, key=len, reverse=True)
        host = read(os.path.join(root, "proc/sys/kernel/hostname")) or (socket.gethostname() if root == "/" else "")
        self.hosts = {host, host.partition(".")[0]} - {"", "localhost", "(none)"}
        for disk in disks:
            disk.serial = "<serial>" if disk.serial else disk.serial
            disk.uses = ["in use"] if disk.uses else []

    def clean(self, line):
        for serial in self.serials:
            line = line.replace(serial, "<serial>")
        # As Veneer's log writes them: a log may name disks that are no longer in the machine.
        line = re.sub(r'\b(serial )("[^"]*"|(?!number|unknown\b|<)[^\s,;]+)', r"\1<serial>", line)
        line = re.sub(UUID, "<uuid>", line)
        line = re.sub(MAC, "<mac>", line)
        line = re.sub(IPV4, "<address>", line)
        for host in self.hosts:
            line = re.sub(r"(?<![\w-])%s(?![\w-])" % re.escape(host), "<host>", line)
        return re.sub(r"(/home/|/Users/)[^/\s\"']+", r"\1<user>", line)


def text(machine, root, check, log, cleaner):
    """
    The whole report.  @check() returns the lines that veneer-hwcheck prints; @log: the path of a log of Veneer's, or None;
    @cleaner: None leaves everything as it is.
    """
    out = ["Veneer hardware report, format %d" % FORMAT, "", "[machine]"]
    out += ["%s: %s" % (name, read(os.path.join(root, "sys/class/dmi/id", name)) or "unknown") for name in DMI]
    out += ["kernel: " + (read(os.path.join(root, "proc/sys/kernel/osrelease")) or "unknown"), "", "[check]"] + check()
    out += ["", "[pci]"]
    for dev in machine.devices:
        out += function_lines(root, dev)
    out += ["", "[log]"] + (log_text(log) if log is not None else ["none given"])
    if cleaner:
        out = [cleaner.clean(line) for line in out]
    return "\n".join(out) + "\n"
