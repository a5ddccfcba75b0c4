/* SPDX-License-Identifier: MIT
 * The requests of a small IOMMU like virtio's: domains are numbers that an ATTACH makes and the
 * last DETACH ends, with what was mapped there; nothing stands in memory. There is no privilege, no
 * PASID, and no right to execute; devices cache nothing.
 */
#ifndef VIRTIO_BACKEND_H
#define VIRTIO_BACKEND_H

#define VIRTIO_PAGE 4096u
#define VIRTIO_DOMAINS 8u /* 1 to 7 are numbers */
#define VIRTIO_BYPASS 0x100u

/* Registers. A store to REQUEST sends what the others hold; requests act in their order. */
enum {
  VIRTIO_DOMAIN = 0x00,
  VIRTIO_ENDPOINT = 0x08,
  VIRTIO_FIRST = 0x10, /* of the addresses */
  VIRTIO_LAST = 0x18,
  VIRTIO_PA = 0x20, /* and the rights in bits 1:0 */
  VIRTIO_REQUEST = 0x28,
  VIRTIO_BUSY = 0x30 /* 1: some request has not acted */
};
enum {
  REQUEST_RESET = 1,
  REQUEST_ATTACH = 2,
  REQUEST_DETACH = 3,
  REQUEST_MAP = 4,
  REQUEST_UNMAP = 5
};
#define VIRTIO_READ 1u
#define VIRTIO_WRITE 2u

#endif
