# SPDX-License-Identifier: MIT
r"""A device under test in Python, over frames on stdin and stdout (docs/conform.md, "Frames"):

    iommucheck conform --only "registers: *" \
        --device "exec:python3 examples/devices/bypass_device.py"

It has registers, a command queue, an event queue, and a linear stream table of which it knows abort
and bypass. It has no stage 1, though it says so in IDR0, since an SMMUv3 has one of the stages:
`--only "ste*"` shows what conform makes of that. IHI 0070 6, 7.1, 7.3, 5.2."""
import struct
import sys

OAS, SID_BITS, CMDQS, EVENTQS = 44, 6, 8, 7
IDR = {
    0x00: 1 << 1 | 2 << 2 | 1 << 4 | 2 << 21 | 1 << 24 | 1 << 26,
    0x04: CMDQS << 21 | EVENTQS << 16 | SID_BITS,
    0x14: 1 << 4 | 4,
}
CR0, CR0ACK, CR1, CR2, GBPA, IRQ_CTRL, IRQ_CTRLACK, GERROR, GERRORN = (
    0x20, 0x24, 0x28, 0x2C, 0x44, 0x50, 0x54, 0x60, 0x64)
STRTAB_BASE, STRTAB_BASE_CFG, CMDQ_BASE, CMDQ_PROD, CMDQ_CONS = 0x80, 0x88, 0x90, 0x98, 0x9C
EVENTQ_BASE, EVENTQ_PROD, EVENTQ_CONS, PAGE_1 = 0xA0, 0xA8, 0xAC, 0x10000
SMMUEN, EVENTQEN, CMDQEN = 1, 4, 8
HELLO, RESET, RUN, MEMORY, INFO, READY, DONE, READ, WRITE = 1, 2, 3, 4, 129, 130, 131, 132, 133
# kind, bytes, attributes, status, where, ssid, 0, address, value, pa
OP = struct.Struct("<BBBBIIIQQQ")


def bits(word, high, low):
    return word >> low & (1 << high - low + 1) - 1


# ---- frames -----------------------------------------------------------------------------------

def send(kind, payload=b""):
    sys.stdout.buffer.write(struct.pack("<II", len(payload), kind) + payload)
    sys.stdout.buffer.flush()


def receive():
    head = sys.stdin.buffer.read(8)
    if len(head) < 8:
        sys.exit(0)  # the tester is done
    length, kind = struct.unpack("<II", head)
    return kind, sys.stdin.buffer.read(length)


def memory_read(pa, count):
    """Words of 8 bytes; None is an external abort."""
    send(READ, struct.pack("<QII", pa, 8 * count, 0))
    answer = receive()[1]
    return struct.unpack_from("<%dQ" % count, answer, 8) if answer[0] == 0 else None


def memory_write(pa, words):
    count = len(words)
    send(WRITE, struct.pack("<QII%dQ" % count, pa, 8 * count, 0, *words))
    return receive()[1][0] == 0


# ---- the SMMU ---------------------------------------------------------------------------------

class Smmu:
    def __init__(self):
        self.reg = dict.fromkeys(range(0, 0x100, 4), 0)

    def read(self, offset):
        return IDR.get(offset, self.reg.get(offset & 0xFFFF, 0))

    def wide(self, offset):
        return self.reg[offset] | self.reg[offset + 4] << 32

    def writable(self, offset):
        cr0 = self.reg[CR0]
        unless = lambda enabled: 0 if cr0 & enabled else 0xFFFFFFFF
        return {
            CR0: SMMUEN | EVENTQEN | CMDQEN, CR1: 0xFFF, CR2: 2 & unless(SMMUEN), IRQ_CTRL: 5,
            GERRORN: 0x105, STRTAB_BASE: unless(SMMUEN), STRTAB_BASE + 4: unless(SMMUEN),
            STRTAB_BASE_CFG: unless(SMMUEN), CMDQ_BASE: unless(CMDQEN),
            CMDQ_BASE + 4: unless(CMDQEN), CMDQ_CONS: unless(CMDQEN), CMDQ_PROD: 0xFFFFFFFF,
            EVENTQ_BASE: unless(EVENTQEN), EVENTQ_BASE + 4: unless(EVENTQEN),
            PAGE_1 + EVENTQ_PROD: unless(EVENTQEN), PAGE_1 + EVENTQ_CONS: 0xFFFFFFFF,
        }.get(offset, 0)

    def write(self, offset, value):
        if offset == GBPA and value >> 31:  # Update
            self.reg[GBPA] = value & 1 << 20
        mask = self.writable(offset)
        if mask == 0:
            return
        place = offset & 0xFFFF
        self.reg[place] = self.reg[place] & ~mask | value & mask
        if offset == CR0:
            self.reg[CR0ACK] = self.reg[CR0]
        if offset == IRQ_CTRL:
            self.reg[IRQ_CTRLACK] = self.reg[IRQ_CTRL]
        if offset in (CR0, CMDQ_PROD, GERRORN):
            self.run_commands()

    def queue(self, base, most, entry):
        entries = 1 << min(bits(self.wide(base), 4, 0), most)
        return bits(self.wide(base), 51, 5) << 5 & -(entries * entry), entries

    def run_commands(self):
        base, entries = self.queue(CMDQ_BASE, CMDQS, 16)
        reg, indices = self.reg, 2 * entries - 1
        while (reg[CR0] & CMDQEN and not (reg[GERROR] ^ reg[GERRORN]) & 1
               and (reg[CMDQ_CONS] ^ reg[CMDQ_PROD]) & indices):
            command = memory_read(base + 16 * (reg[CMDQ_CONS] & entries - 1), 2)
            error = 2 if command is None else 0 if self.legal(command[0]) else 1
            if error:
                reg[CMDQ_CONS] = reg[CMDQ_CONS] & ~(0x7F << 24) | error << 24
                reg[GERROR] ^= 1
                return
            reg[CMDQ_CONS] = (reg[CMDQ_CONS] & 0x7F << 24) | reg[CMDQ_CONS] + 1 & indices

    @staticmethod
    def legal(low):
        opcode = low & 0xFF
        if opcode in (1, 2, 3, 4, 5, 6):  # PREFETCH, CFGI: SSec
            return not low >> 10 & 1
        return opcode in (0x10, 0x11, 0x12, 0x13, 0x30) or opcode == 0x46 and bits(low, 13, 12) != 3

    def record(self, words):
        base, entries = self.queue(EVENTQ_BASE, EVENTQS, 32)
        prod, cons = self.reg[EVENTQ_PROD], self.reg[EVENTQ_CONS]
        if not self.reg[CR0] & EVENTQEN:
            return
        if (prod ^ cons) & 2 * entries - 1 == entries:  # full
            if not (prod ^ cons) >> 31:
                self.reg[EVENTQ_PROD] ^= 1 << 31
        elif memory_write(base + 32 * (prod & entries - 1), words):
            self.reg[EVENTQ_PROD] = prod & 1 << 31 | prod + 1 & 2 * entries - 1
        elif not (self.reg[GERROR] ^ self.reg[GERRORN]) & 4:
            self.reg[GERROR] ^= 4

    def access(self, sid, iova, write):
        """Where it goes, or None."""
        if not self.reg[CR0] & SMMUEN:
            return None if self.reg[GBPA] >> 20 & 1 or iova >> OAS else iova
        size = min(bits(self.reg[STRTAB_BASE_CFG], 5, 0), SID_BITS)
        if sid >> size:
            if self.reg[CR2] & 2:  # RECINVSID
                self.record([2 | sid << 32, 0, 0, 0])  # C_BAD_STREAMID
            return None
        place = (bits(self.wide(STRTAB_BASE), 51, 6) << 6 & -(64 << size)) + 64 * sid
        ste = memory_read(place, 8)
        if ste is None:
            self.record([3 | sid << 32, 0, 0, place])  # F_STE_FETCH
            return None
        config = bits(ste[0], 3, 1)
        if not ste[0] & 1 or config > 4:
            self.record([4 | sid << 32, 0, 0, 0])  # C_BAD_STE: V = 0, or a stage
            return None
        if config == 4 and iova >> OAS:
            self.record([0x11 | sid << 32, (0 if write else 1 << 35) | 2 << 40, iova, 0])
            return None
        return iova if config == 4 else None


def answer(smmu, kind, size, attributes, where, address, value):
    """(status, value, pa)"""
    if kind == 1:
        read = smmu.read(where)
        return 1, read | smmu.read(where + 4) << 32 if size == 8 else read, 0
    if kind == 2:
        smmu.write(where, value & 0xFFFFFFFF)
        if size == 8:
            smmu.write(where + 4, value >> 32)
        return 1, value, 0
    if kind == 3:
        pa = smmu.access(where, address, attributes & 1)
        return (2, value, 0) if pa is None else (1, value, pa)
    return 4, value, 0  # refused


def main():
    smmu = Smmu()
    while True:
        kind, payload = receive()
        if kind == HELLO:
            sids = [0x10, 0x18, 0x20, 0x28] + [0] * 12
            send(INFO, struct.pack("<IIII16I32s32sQQ", 160, 1, 1 | 2, 4, *sids,  # PROMPT, GIVES_PA
                                   b"bypass-py", b"1.0", 0x20000, 0))
        elif kind == RESET:
            smmu = Smmu()
            send(READY)
        elif kind == RUN:
            answers = b""
            for asked in OP.iter_unpack(payload):
                op, size, attributes, _, where, ssid, zero, address, value, _ = asked
                status, value, pa = answer(smmu, op, size, attributes, where, address, value)
                answers += OP.pack(op, size, attributes, status, where, ssid, zero, address,
                                   value, pa)
            send(DONE, answers)


main()
