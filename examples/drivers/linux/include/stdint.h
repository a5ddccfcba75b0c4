/* SPDX-License-Identifier: MIT
 *
 * In a kernel there is no <stdint.h>; the headers of the door ask for it. */
#include <linux/types.h>
