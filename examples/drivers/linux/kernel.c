/* SPDX-License-Identifier: MIT
 *
 * What the driver's neighbours in the kernel are to it - buses, devices, interrupts, pages,
 * kobjects, work queues - as a file of the tree's own kbuild: its structs are the tree's. Names
 * that need no struct are in symbols.c. */
#include "glue.h"

#include <linux/iommu.h>
#include <linux/kobject.h>
#include <linux/mm.h>
#include <linux/of.h>
#include <linux/pci-ats.h>
#include <linux/radix-tree.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

struct iommucheck_machine machine;

/* A function of the kernel's, by its symbol: versions differ in how they declare some of them. */
#define IS(name, function) asm(".globl " #name "\n.set " #name ", " #function);
#define OURS(name) IS(name, our_##name)

/* ---- initcalls, in the order of their levels ---- */

extern const struct iommucheck_initcall __start_iommucheck_initcalls[];
extern const struct iommucheck_initcall __stop_iommucheck_initcalls[];

int iommucheck_initcalls(void) {
  const struct iommucheck_initcall* one;
  char level;
  int error = 0;
  for (level = '0'; level <= '7'; ++level) {
    for (one = __start_iommucheck_initcalls; one < __stop_iommucheck_initcalls; ++one) {
      if (one->level[0] == level && error == 0) error = one->call();
    }
  }
  return error;
}

/* ---- pages: struct page for each of the window, as in a kernel with flat memory ---- */

unsigned long uml_physmem;
struct page* mem_map;

void iommucheck_pages(const struct iommucheck_platform* platform) {
  const unsigned long pages = platform->window_size >> PAGE_SHIFT;
  struct page* first = platform->arena_alloc(platform->ctx, pages * sizeof(struct page), 64);
  if (first == NULL) shim_panic("the arena is too small for a struct page of each page");
  uml_physmem = (unsigned long)platform->window - platform->window_pa;
  mem_map = first - (platform->window_pa >> PAGE_SHIFT);
}

static struct page* pages(gfp_t flags, unsigned int order) {
  void* memory =
      shim_dma_alloc(PAGE_SIZE << order, PAGE_SIZE << order, (flags & __GFP_ZERO) != 0, NULL);
  if (memory == NULL) return NULL;
  memset(virt_to_page(memory), 0, sizeof(struct page) << order);
  set_page_count(virt_to_page(memory), 1);
  return virt_to_page(memory);
}
phys_addr_t iommucheck_page_to_phys(const struct page* page) { return page_to_phys(page); }
/* By their symbols: the tree's headers declare one or the other of them. */
struct page* our_alloc_pages(gfp_t flags, unsigned int order) { return pages(flags, order); }
void our_free_page(struct page* page) { shim_dma_free(page_address(page)); }
void our_free_address(unsigned long address) { shim_dma_free((void*)address); }

/* ---- nodes of xarrays and radix trees ---- */

void* our_alloc_node(void) {
  struct xa_node* node = shim_alloc(sizeof *node);
  if (node != NULL) INIT_LIST_HEAD(&node->private_list);
  return node;
}
void our_free_node(void* cache, void* node) { shim_free(node); }

/* ---- kobjects: their counts ---- */

struct kobject* our_kobject_get(struct kobject* one);

static void begin(struct kobject* one, struct kobject* parent) {
  kref_init(&one->kref);
  one->parent = our_kobject_get(parent);
}
struct kobject* our_kobject_get(struct kobject* one) {
  if (one != NULL) kref_get(&one->kref);
  return one;
}
void our_kobject_put(struct kobject* one) {
  struct kobject* parent;
  if (one == NULL || !refcount_dec_and_test(&one->kref.refcount)) return;
  parent = one->parent;
  if (one->ktype != NULL && one->ktype->release != NULL) one->ktype->release(one);
  our_kobject_put(parent);
}
int our_kobject_init_and_add(struct kobject* one, typeof(((struct kobject*)0)->ktype) type,
                             struct kobject* parent) {
  one->ktype = type;
  begin(one, parent);
  return 0;
}
static void freed(struct kobject* one) { kfree(one); }
struct kobject* our_kobject_create_and_add(const char* name, struct kobject* parent) {
  static typeof(*((struct kobject*)0)->ktype) type = {.release = freed};
  struct kobject* one = kzalloc(sizeof *one, GFP_KERNEL);
  if (one == NULL) return NULL;
  one->ktype = &type;
  begin(one, parent);
  return one;
}
struct kset* our_kset(void) {
  static struct kset groups;
  return &groups;
}

/* ---- later: RCU's grace period is over at once, work is done at the end of an interrupt ---- */

void our_call_rcu(struct rcu_head* head, rcu_callback_t call) {
  const unsigned long offset = (unsigned long)call; /* kfree_rcu: of the head in what is freed */
  if (offset >= PAGE_SIZE) return call(head);
  kfree((char*)head - offset);
}

static LIST_HEAD(queued);
static char queue[1024];
void* our_workqueue(void) { return queue; }
bool our_queue_work_on(int cpu, struct workqueue_struct* on, struct work_struct* work) {
  list_add_tail(&work->entry, &queued);
  return true;
}
void iommucheck_work(void) {
  while (!list_empty(&queued)) {
    struct work_struct* work = list_first_entry(&queued, struct work_struct, entry);
    list_del_init(&work->entry);
#ifdef HAVE_SVA
    iommucheck_begin_work(work);
#endif
    work->func(work);
  }
}

/* ---- the CPUs ---- */

u64 iommucheck_mmfr0(void) { return machine.mmfr0; }
u64 iommucheck_mair(void) { return machine.mair; }

/* ---- the platform's device ---- */

static int no_configuration(struct device* device) { return 0; }
typeof(platform_bus_type) platform_bus_type = {.name = "platform"};
typeof(pci_bus_type) pci_bus_type = {.name = "pci", .dma_configure = no_configuration};

int our___platform_driver_register(struct platform_driver* driver, struct module* owner) {
  machine.driver = driver;
  return 0;
}
struct device* our_driver_find_device(const struct device_driver* driver, struct device* from,
                                      const void* data, int (*match)(struct device*, const void*)) {
  return &machine.smmu.dev;
}
struct device* our_bus_find_device(const struct bus_type* bus) {
  return bus == &platform_bus_type ? &machine.smmu.dev : NULL;
}
struct device* our_get_device(struct device* device) { return device; }
struct fwnode_handle* our___dev_fwnode(const struct device* device) { return device->fwnode; }
struct resource* our_platform_get_resource(struct platform_device* device, unsigned int type,
                                           unsigned int n) {
  return n == 0 ? &machine.registers : NULL;
}
void __iomem* our_devm_ioremap_resource(struct device* device, const struct resource* resource) {
  return (void __iomem*)iommucheck_ioremap(resource->start);
}
bool our_of_dma_is_coherent(struct device_node* node) { return iommucheck_is_coherent; }
int our_of_property_read_variable_u32_array(const struct device_node* node, const char* name,
                                            u32* values, size_t least, size_t most) {
  values[0] = 1; /* #iommu-cells */
  return 0;
}

int our_platform_get_irq_byname_optional(struct platform_device* device, const char* name) {
  return name[0] == 'e' ? IOMMUCHECK_EVENT_IRQ : name[0] == 'g' ? IOMMUCHECK_ERROR_IRQ : -ENXIO;
}
int our_devm_request_threaded_irq(struct device* device, unsigned int irq, irq_handler_t handler,
                                  irq_handler_t thread, unsigned long flags, const char* name,
                                  void* data) {
  machine.irqs[irq].handler = handler;
  machine.irqs[irq].thread = thread;
  machine.irqs[irq].data = data;
  return 0;
}
void iommucheck_irq(int irq) {
  if (machine.irqs[irq].handler) machine.irqs[irq].handler(irq, machine.irqs[irq].data);
  if (machine.irqs[irq].thread) machine.irqs[irq].thread(irq, machine.irqs[irq].data);
  iommucheck_work();
}

/* Default domains: none, where the driver has no domain that blocks; see plug in glue.c. */
int our_iommu_get_dma_cookie(struct iommu_domain* domain) {
#ifdef HAVE_BLOCKED_DOMAIN
  return 0;
#else
  return -ENODEV;
#endif
}

/* ---- devices: all of them on PCI, with what firmware says of stalls ---- */

int our_bus_register_notifier(const struct bus_type* bus, struct notifier_block* one) {
  if (bus == &pci_bus_type) machine.notifier = one;
  return 0;
}
int iommucheck_notify(struct device* device, unsigned long action) {
  return machine.notifier->notifier_call(machine.notifier, action, device);
}

static struct iommucheck_pci* of_pci(const struct pci_dev* pci) {
  return container_of((struct pci_dev*)pci, struct iommucheck_pci, pci);
}
u32 iommucheck_number(const struct device* device) {
  return of_pci(to_pci_dev((struct device*)device)) - machine.devices;
}
bool our_device_property_present(const struct device* device, const char* name) {
  return of_pci(to_pci_dev((struct device*)device))->config->flags & IOMMUCHECK_DEVICE_STALL &&
         strcmp(name, "dma-can-stall") == 0;
}
bool our_device_property_read_bool(const struct device* device, const char* name) {
  return our_device_property_present(device, name);
}
int our_device_property_read_u32_array(const struct device* device, const char* name, u32* values,
                                       size_t n) {
  return -EINVAL;
}
bool our_pci_ats_supported(struct pci_dev* pci) {
  return of_pci(pci)->config->flags & IOMMUCHECK_DEVICE_ATS;
}
/* A WARN in drivers/pci/ats.c, too: a driver that loses track of its devices' ATS. */
int our_pci_enable_ats(struct pci_dev* pci, int stu) {
  if (pci->ats_enabled) shim_panic("a WARN of pci_enable_ats: ATS is on");
  pci->ats_enabled = 1;
  shim_ats_enable(machine.config, of_pci(pci) - machine.devices, 1);
  return 0;
}
void our_pci_disable_ats(struct pci_dev* pci) {
  if (!pci->ats_enabled) shim_panic("a WARN of pci_disable_ats: ATS is off");
  pci->ats_enabled = 0;
  shim_ats_enable(machine.config, of_pci(pci) - machine.devices, 0);
}
int our_pci_pasid_features(struct pci_dev* pci) {
  return of_pci(pci)->config->ssid_bits != 0 ? 0 : -EINVAL;
}
int our_pci_max_pasids(struct pci_dev* pci) { return 1 << of_pci(pci)->config->ssid_bits; }
int our_pci_enable_pasid(struct pci_dev* pci, int features) {
  pci->pasid_enabled = 1;
  return 0;
}
void our_pci_disable_pasid(struct pci_dev* pci) { pci->pasid_enabled = 0; }

/* A device is in the group of the first one that firmware puts there. Not so while a group that is
 * blocked has no domain: iommu.c has no way back there for a group whose devices differ. */
int our_pci_for_each_dma_alias(struct pci_dev* pci, int (*call)(struct pci_dev*, u16, void*),
                               void* data) {
  unsigned int i;
  for (i = 0; i < machine.config->device_count; ++i) {
    struct iommucheck_pci* other = &machine.devices[i];
    if (!IS_ENABLED(HAVE_BLOCKED_DOMAIN) || !other->added || &other->pci == pci) continue;
    if (other->config->group == of_pci(pci)->config->group) break;
  }
  return call(pci, 0, data)
             ?: i < machine.config->device_count ? call(&machine.devices[i].pci, 0, data)
                                                 : 0;
}

int iommucheck_begin_device(struct iommucheck_pci* one, const struct iommucheck_device* config) {
  static struct pci_bus root;
  int error;
  unsigned int i;
  memset(&one->pci, 0, sizeof one->pci);
  one->config = config;
  one->pci.bus = &root;
  one->pci.dev.bus = &pci_bus_type;
  one->pci.dev.init_name = "device";
  mutex_init(&one->pci.dev.mutex);
#ifdef HAVE_FWSPEC_INIT_OPS
  error =
      iommu_fwspec_init(&one->pci.dev, &machine.firmware, iommu_ops_from_fwnode(&machine.firmware));
#else
  error = iommu_fwspec_init(&one->pci.dev, &machine.firmware);
#endif
  for (i = 0; error == 0 && i < config->stream_id_count; ++i) {
    u32 id = config->stream_ids[i];
    error = iommu_fwspec_add_ids(&one->pci.dev, &id, 1);
  }
  if (error == 0 && config->flags & IOMMUCHECK_DEVICE_ATS) {
    dev_iommu_fwspec_get(&one->pci.dev)->flags |= IOMMU_FWSPEC_PCI_RC_ATS;
  }
  return error;
}

/* ---- the names ---- */

IS(__alloc_pages, our_alloc_pages)
IS(__alloc_pages_noprof, our_alloc_pages)
IS(__folio_alloc_noprof, our_alloc_pages)
IS(__free_pages, our_free_page)
IS(__folio_put, our_free_page)
IS(free_pages, our_free_address)
IS(kmem_cache_alloc, our_alloc_node)
IS(kmem_cache_alloc_noprof, our_alloc_node)
IS(kmem_cache_alloc_lru, our_alloc_node)
IS(kmem_cache_alloc_lru_noprof, our_alloc_node)
IS(kmem_cache_free, our_free_node)
IS(kset_create_and_add, our_kset)
IS(__flush_workqueue, iommucheck_work)
IS(alloc_workqueue, our_workqueue)
IS(alloc_workqueue_noprof, our_workqueue)
OURS(kobject_get)
OURS(kobject_put)
OURS(kobject_init_and_add)
OURS(kobject_create_and_add)
OURS(call_rcu)
OURS(queue_work_on)
OURS(__platform_driver_register)
OURS(driver_find_device)
OURS(bus_find_device)
OURS(get_device)
OURS(__dev_fwnode)
OURS(platform_get_resource)
OURS(devm_ioremap_resource)
OURS(of_dma_is_coherent)
OURS(of_property_read_variable_u32_array)
OURS(platform_get_irq_byname_optional)
OURS(devm_request_threaded_irq)
OURS(bus_register_notifier)
OURS(device_property_present)
OURS(device_property_read_bool)
OURS(device_property_read_u32_array)
OURS(iommu_get_dma_cookie)
OURS(pci_ats_supported)
OURS(pci_enable_ats)
OURS(pci_disable_ats)
OURS(pci_pasid_features)
OURS(pci_max_pasids)
OURS(pci_enable_pasid)
OURS(pci_disable_pasid)
OURS(pci_for_each_dma_alias)
