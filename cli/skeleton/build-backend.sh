#!/bin/sh
# The plug-in backend.so: the backend, and the model of its hardware.
set -e
cd "$(dirname "$0")"
${CC:-cc} -O2 -g -shared -fPIC -I include -o backend.so riscv_backend.c riscv_hardware.c riscv_users.c
