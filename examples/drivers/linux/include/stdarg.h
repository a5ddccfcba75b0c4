/* SPDX-License-Identifier: MIT
 *
 * In a kernel there is no <stdarg.h>; the headers of the door ask for it. */
#include <linux/stdarg.h>
