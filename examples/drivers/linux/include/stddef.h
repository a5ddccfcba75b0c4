/* SPDX-License-Identifier: MIT
 *
 * In a kernel there is no <stddef.h>; the headers of the door ask for it. */
#include <linux/stddef.h>
