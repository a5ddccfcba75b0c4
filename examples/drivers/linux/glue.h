/* SPDX-License-Identifier: MIT
 *
 * What glue.c, kernel.c and mm.c share: the machine that the driver finds itself on. */
#ifndef IOMMUCHECK_LINUX_GLUE_H
#define IOMMUCHECK_LINUX_GLUE_H

#include <linux/device.h>
#include <linux/fwnode.h>
#include <linux/interrupt.h>
#include <linux/iommu.h>
#include <linux/ioport.h>
#include <linux/notifier.h>
#include <linux/of.h>
#include <linux/pci.h>
#include <linux/platform_device.h>

#include "kernel_shim.h"

enum { IOMMUCHECK_DEVICES = 16, IOMMUCHECK_IRQS = 3 };
enum { IOMMUCHECK_EVENT_IRQ = 1, IOMMUCHECK_ERROR_IRQ = 2 };

struct iommucheck_pci {
  struct pci_dev pci;
  const struct iommucheck_device* config;
  int added;
  iommucheck_handle domain; /* that it is attached to; 0: none */
};

struct iommucheck_machine {
  const struct iommucheck_config* config;
  struct platform_driver* driver;
  struct platform_device smmu;
  struct device_node node;
  struct fwnode_handle firmware;
  struct resource registers;
  u64 mmfr0, mair; /* of the CPUs: ID_AA64MMFR0_EL1, MAIR_EL1 */
  struct notifier_block* notifier;
  struct iommucheck_pci devices[IOMMUCHECK_DEVICES];
  struct {
    irq_handler_t handler, thread;
    void* data;
  } irqs[IOMMUCHECK_IRQS];
};
extern struct iommucheck_machine machine;

/* kernel.c */
void iommucheck_pages(const struct iommucheck_platform* platform);
int iommucheck_initcalls(void);
int iommucheck_begin_device(struct iommucheck_pci* one, const struct iommucheck_device* config);
u32 iommucheck_number(const struct device* device);
int iommucheck_notify(struct device* device, unsigned long action);
void iommucheck_irq(int irq);
void iommucheck_work(void);

#ifdef HAVE_SVA /* mm.c */
struct mm_struct* iommucheck_mm(const struct iommucheck_mm* given);
void iommucheck_leave_mm(struct mm_struct* mm);
void iommucheck_mm_release(iommucheck_handle mm);
void iommucheck_mm_invalidate(iommucheck_handle mm, u64 start, u64 bytes);
void iommucheck_begin_work(struct work_struct* work);
#endif

/* symbols.c */
extern int iommucheck_is_coherent;
void iommucheck_devres_release(void);
unsigned long iommucheck_ioremap(u64 offset);

#endif
