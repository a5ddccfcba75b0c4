# SPDX-License-Identifier: MIT
"""A device behind the door that answers the first batch (its ID registers) and is rude to the next.
The argument says how; tests/conform/device_door_test.cpp has what is to be found."""
import struct
import sys
import time

out, into = sys.stdout.buffer, sys.stdin.buffer


def send(kind, payload=b""):
    out.write(struct.pack("<II", len(payload), kind) + payload)
    out.flush()


def receive():
    head = into.read(8)
    if len(head) < 8:
        sys.exit(0)
    length, kind = struct.unpack("<II", head)
    return kind, into.read(length)


def answers(ops):
    done = bytearray(ops)
    for at in range(0, len(done), 40):
        kind, _, _, _, where = struct.unpack_from("<BBBBI", done, at)
        done[at + 3] = 1
        if kind == 1 and where == 0:  # IDR0: stage 1
            struct.pack_into("<Q", done, at + 24, 0x0500000A)
    return bytes(done)


def be_rude(how, ops):
    if how == "half-and-exit":
        out.write(struct.pack("<II", len(ops), 131) + ops[:12])
        out.flush()
        sys.exit(0)
    if how == "half-and-wait":
        out.write(struct.pack("<II", len(ops), 131) + ops[:12])
        out.flush()
        time.sleep(1000)
    if how == "garbage":
        out.write(b"Zarro boogs found.\n")
        out.flush()
        time.sleep(1000)
    if how == "short":
        send(131, answers(ops)[40:])
    if how == "type":
        send(99)
    if how == "reads-for-ever":
        while True:
            send(132, struct.pack("<QII", 0x40000000, 8, 0))
            receive()
    if how == "bad-write":
        send(133, struct.pack("<QII", 0x40000000, 64, 0) + b"only this")
    if how == "install":  # iommucheck_frame 137 has 72 bytes, 138 8 and 16 a command
        send(137, bytes(16))
    if how == "invalidate":
        send(138, bytes(4))
    if how == "invalidate-more":
        send(138, struct.pack("<II", 3, 0) + bytes(16))
    if how == "traceback":
        return 1 // 0
    time.sleep(1000)


batches = 0
while True:
    kind, payload = receive()
    if kind == 1:
        info = struct.pack("<IIII16I32s32sQQ", 160, 1, 3, 2, 1, 2, *[0] * 14, b"rude", b"1",
                           0x20000, 0)
        send(129, info)
    elif kind == 2:
        send(130)
    elif kind == 3:
        batches += 1
        first = struct.unpack_from("<BBBBI", payload)
        if first[0] == 1 and first[4] == 0:
            send(131, answers(payload))
        else:
            be_rude(sys.argv[1], payload)
