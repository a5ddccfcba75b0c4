#!/bin/sh
# The plug-in device.so.
set -e
cd "$(dirname "$0")"
${CC:-cc} -O2 -g -shared -fPIC -I include -o device.so device.c
