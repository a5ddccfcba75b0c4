/* SPDX-License-Identifier: MIT
 *
 * The functions of iommucheck/monitor_report.h with symbols of their own, for languages that import
 * C functions (DPI of SystemVerilog): compile this file into the bench. */
#define IOMMUCHECK_REPORT
#include <iommucheck/monitor_report.h>
