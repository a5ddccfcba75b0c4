/* SPDX-License-Identifier: MIT
 *
 * Domains at PASIDs, for glue.c: numbers are the caller's, out of the kernel's own (build.sh makes
 * iommu.c's ida a global name), and a device's RID is attached first. */
#include <linux/idr.h>
extern struct ida iommu_global_pasid_ida;

enum { NUMBERS = 256, PLACES = 64, PASID_BITS = 20 };

static struct {
  u32 numbers[NUMBERS]; /* 0: none */
  u32 freed[NUMBERS];   /* the one that has been free for longest first; then 0 */
  struct {
    u32 device, pasid;
    iommucheck_handle domain; /* 0: the place is free */
  } places[PLACES];
} pasids;

static int find_number(u32 pasid) {
  int i = 0;
  while (i < NUMBERS && pasids.numbers[i] != pasid) ++i;
  return i < NUMBERS ? i : -1;
}
static int find_freed(u32 pasid) {
  int i = 0;
  while (i < NUMBERS && pasids.freed[i] != pasid) ++i;
  return i < NUMBERS ? i : -1;
}
static int find_place(u32 device, u32 pasid) {
  int i;
  for (i = 0; i < PLACES; ++i) {
    if (pasids.places[i].domain != 0 && pasids.places[i].device == device &&
        pasids.places[i].pasid == pasid) {
      return i;
    }
  }
  return -1;
}

static int domain_has_pasids(iommucheck_handle domain) {
  int i = 0;
  while (i < PLACES && pasids.places[i].domain != domain) ++i;
  return i < PLACES;
}

static void leave(int place) {
  const u32 device = pasids.places[place].device;
  const iommucheck_handle domain = pasids.places[place].domain;
  sync_gathered(domain);
  iommu_detach_device_pasid(find_domain(domain), &machine.devices[device].pci.dev,
                            pasids.places[place].pasid);
  pasids.places[place].domain = 0;
}

/* Drivers of devices take their PASIDs away before the RID goes. */
static void leave_pasids(u32 device) {
  int i;
  for (i = 0; i < PLACES; ++i) {
    if (pasids.places[i].domain != 0 && pasids.places[i].device == device) leave(i);
  }
}

static int take_number(u32 pasid) {
  return ida_alloc_range(&iommu_global_pasid_ida, pasid, pasid, GFP_KERNEL) >= 0;
}

/* Takes a number that nobody has had; else the one that has been free for longest. 0: none. */
static u32 take_any_number(u32 min, u32 most) {
  u32 at = min;
  int i;
  while (at <= most && (find_number(at) >= 0 || find_freed(at) >= 0 || !take_number(at))) ++at;
  if (at <= most) return at;
  for (i = 0; i < NUMBERS && pasids.freed[i] != 0; ++i) {
    at = pasids.freed[i];
    if (at < min || at > most || !take_number(at)) continue;
    for (; i + 1 < NUMBERS; ++i) pasids.freed[i] = pasids.freed[i + 1];
    pasids.freed[NUMBERS - 1] = 0;
    return at;
  }
  return 0;
}
/* It is free, and the last one to come again. */
static void number_is_free(u32 pasid) {
  const int last = find_freed(0);
  if (last < 0) shim_panic("more PASIDs than pasids.h can count");
  pasids.freed[last] = pasid;
}

static int door_pasid_alloc(void* self, u32 min, u32 max, u32* pasid) {
  const u32 most = max == 0 ? (1u << PASID_BITS) - 1 : max;
  const int room = find_number(0);
  u32 at;
  if (min > most || most >> PASID_BITS != 0) return -IOMMUCHECK_EINVAL;
  if (room < 0) return IOMMUCHECK_NOT_BUILT;
  at = take_any_number(min == 0 ? 1 : min, most);
  if (at == 0) return -IOMMUCHECK_ENOSPC;
  pasids.numbers[room] = *pasid = at;
  return 0;
}

static int door_pasid_free(void* self, u32 pasid) {
  int number = pasid == 0 ? -1 : find_number(pasid);
  int i;
  if (number < 0) return -IOMMUCHECK_EINVAL;
  for (i = 0; i < PLACES; ++i) {
    if (pasids.places[i].domain != 0 && pasids.places[i].pasid == pasid) return -IOMMUCHECK_EBUSY;
  }
  pasids.numbers[number] = 0;
  ida_free(&iommu_global_pasid_ida, pasid);
  number_is_free(pasid);
  return 0;
}

static int is_of_process(u32 pasid); /* sva.h */

static int door_attach_pasid(void* self, iommucheck_handle handle, u32 number, u32 pasid) {
  struct iommucheck_pci* one = find_device(number);
  struct iommu_domain* domain = find_domain(handle);
  u32 i;
  int found, place = 0, error;
  if (one == NULL) return -IOMMUCHECK_ENODEV;
  if (is_of_process(pasid)) return -IOMMUCHECK_EBUSY;
  if (domain == NULL || one->domain == 0 || pasid == 0 || find_number(pasid) < 0 ||
      pasid >> one->config->ssid_bits != 0) {
    return -IOMMUCHECK_EINVAL;
  }
  if (domain->type == IOMMU_DOMAIN_IDENTITY) return -IOMMUCHECK_EOPNOTSUPP;
  for (i = 0; i < machine.config->device_count; ++i) { /* a group has no PASIDs */
    const struct iommucheck_device* other = machine.config->devices[i];
    if (other != one->config && other->group == one->config->group) return -IOMMUCHECK_EINVAL;
  }
  if (!is_paging(domain)) return IOMMUCHECK_NOT_BUILT; /* a PASID is blocked by its detach */
  found = find_place(number, pasid);
  if (found >= 0) return pasids.places[found].domain == handle ? 0 : IOMMUCHECK_NOT_BUILT;
  while (place < PLACES && pasids.places[place].domain != 0) ++place;
  /* The SMMU may have fewer bits of them than the device. */
  if (place == PLACES || pasid >= one->pci.dev.iommu->max_pasids) return IOMMUCHECK_NOT_BUILT;
  shim_enter();
  error = iommu_attach_device_pasid(domain, &one->pci.dev, pasid, NULL);
  if (error != 0) return translated(error);
  pasids.places[place].device = number;
  pasids.places[place].pasid = pasid;
  pasids.places[place].domain = handle;
  return 0;
}

static int door_detach_pasid(void* self, iommucheck_handle handle, u32 number, u32 pasid) {
  const int place = find_place(number, pasid);
  if (find_device(number) == NULL) return -IOMMUCHECK_ENODEV;
  if (place < 0 || pasids.places[place].domain != handle) return -IOMMUCHECK_EINVAL;
  shim_enter();
  leave(place);
  return 0;
}
