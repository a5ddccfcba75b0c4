/* SPDX-License-Identifier: MIT */
#ifndef IOMMUCHECK_TESTS_CC_STORES_H
#define IOMMUCHECK_TESTS_CC_STORES_H

/* `memory`: 4 KiB of table memory. platform_call() stands for any call of the platform. `zero`: 0.
 */
void stores(unsigned char* memory, void (*platform_call)(void), unsigned zero);

#endif
