#!/bin/sh
# The plug-in driver.so. -DPLAIN_STORES: the driver stores through pointers, and `iommucheck cc` sees each store, so
# that findings stand at lines of the source. -O2: what a helper stores stands where it was called from, too.
set -e
cd "$(dirname "$0")"
"${IOMMUCHECK:-iommucheck}" cc -O2 -g -DPLAIN_STORES -shared -o driver.so driver.c
