/* SPDX-License-Identifier: MIT
 *
 * iommucheck/backend.h - the door for an IOMMU that is not SMMUv3: what drives it, and a model of
 * its hardware.
 *
 * A backend under test is a shared object that exports ONE function:
 *
 *     const struct iommucheck_backend *iommucheck_backend_entry(void);
 *
 *     iommucheck check --backend ./mine.so
 *
 * The core (domains, PASIDs, processes, faults) is this project's. It decides who reaches what, and
 * in which order things are taken away, made known and given back; the backend stores and sends;
 * the model says for an access EVERY answer that the hardware may give. The tester runs scenarios
 * and random sequences of calls, and after each call, and each time that the hardware may act
 * within one, every answer has to be what the interface promises. The object is loaded in a process
 * of its own for each of them: a crash or hang is a finding with what led to it. A complete example
 * is examples/backends/riscv_backend.c; docs/backends.md says how it is judged.
 *
 * The words:
 *   route   what a device's accesses go through: nothing, untranslated, or a table
 *   table   what stands for the accesses without a PASID, and at each PASID: entries
 *   entry   a process's own table, as the CPUs have it, or a space of the driver's
 *   space   an address space that the driver maps into
 *   tag     what translations carry that the IOMMU has cached: two numbers, as many as are needed
 *   place   (device, PASID) where an entry with a tag stands, or has stood until now
 *   forget  drop what the IOMMU has cached of routes and entries
 *   drop    drop translations, the IOMMU's own or those that a device has cached
 *   outer   of a space: what is mapped there may be the output of tables of a user's
 *   user    who has page tables of its own over an outer space (a guest)
 *
 * Rules that hold for the whole file
 *  - Those of driver.h: C99 and C++; `size` and `abi` begin every struct, which grows at its end;
 *    `abi` changes when a member changes its place or meaning; errors are negative errno values.
 *  - No function is NULL that is not said to be optional.
 *  - Calls are made by one thread. `self` is what the half's own open gave.
 *  - Backend and hardware share nothing but memory and registers: what the one stores, sends and
 *    gives back through its platform is told to the other.
 *  - Each sequence meets a new process: static variables and malloc are as anywhere else.
 */
#ifndef IOMMUCHECK_BACKEND_H
#define IOMMUCHECK_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "iommucheck/driver.h"
#include "iommucheck/words.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IOMMUCHECK_BACKEND_ABI 1u

/* In the place of a PASID: what devices do without one. */
#define IOMMUCHECK_BACKEND_NO_PASID 0xffffffffu

/* A VMID and an ASID, a domain's number and a space's: what the backend likes. Never changes. */
struct iommucheck_tag {
  uint64_t outer;
  uint64_t inner;
};
/* `pasid` may be IOMMUCHECK_BACKEND_NO_PASID. Never changes. */
struct iommucheck_place {
  uint32_t device; /* its number in iommucheck_config */
  uint32_t pasid;
};

/* ---------------------------------------------------------------------------------------------
 * 1. What drives the IOMMU
 * ------------------------------------------------------------------------------------------- */

/* iommucheck_backend.flags */

/* What stands at PASID 0 is for accesses without a PASID: 0 is no number, and no operation is
 * called with it. An access at it, of which the hardware may be asked, finds nothing there. */
#define IOMMUCHECK_BACKEND_KEEPS_PASID_0 0x1u
/* Caches may hold that nothing is mapped: the core then invalidates at the end of each map. Never
 * of a process's table, whose owner tells of nothing that it adds. */
#define IOMMUCHECK_BACKEND_REMEMBERS_UNMAPPED 0x2u
/* Faulting accesses of devices that can wait do: read_fault and answer are there. */
#define IOMMUCHECK_BACKEND_WAITS 0x4u
/* An entry with IOMMUCHECK_ENTRY_WAITS leaves it to each device whether its accesses wait. Without
 * it they wait only where all devices that reach the entry can. */
#define IOMMUCHECK_BACKEND_DEVICES_WAIT_ALONE 0x8u
/* With WAITS: devices that ask for pages do so in groups, which are read page by page and answered
 * once. Without it each request is a group of its own. */
#define IOMMUCHECK_BACKEND_GROUPS 0x10u
/* There are outer spaces, and users with page tables of their own over them, to which routes lead:
 * `users` is there, and what belongs to it. Devices have no PASIDs then, and cache nothing of what
 * users' tables make. */
#define IOMMUCHECK_BACKEND_USERS 0x20u
/* What devices write to by a leaf is marked there, before the write is done. */
#define IOMMUCHECK_BACKEND_TRACKS_WRITES 0x40u
/* With USERS: of accesses that tables have ended there are records, and what its own table has
 * ended a user is told. */
#define IOMMUCHECK_BACKEND_TELLS_USERS 0x80u
/* Accesses have no privilege: what is mapped with IOMMUCHECK_PROT_PRIVILEGED all may reach. */
#define IOMMUCHECK_BACKEND_NO_PRIVILEGE 0x100u
/* There is no right to execute: what may be read may be executed, and nothing else. */
#define IOMMUCHECK_BACKEND_NO_EXECUTION 0x200u
/* What a space maps the IOMMU keeps as long as a device is on it (domains that are made by an
 * attach): while a route comes to lead to a table, accesses without a PASID may find nothing mapped
 * there, yet, besides what prepare_route leaves them. */
#define IOMMUCHECK_BACKEND_FILLS_ROUTES 0x400u

/* The backend fills it in open; the tester has set size and abi, and the rest to 0. */
struct iommucheck_backend_info {
  uint32_t size;
  uint32_t abi;
  uint32_t pasid_bits;     /* width of the PASIDs that the IOMMU can do, 20 at most; 0: none */
  uint32_t input_bits_min; /* of spaces, 12 to 64; domains ask for 25 to 48 */
  uint32_t input_bits_max;
  uint32_t output_bits; /* of physical addresses, 12 to 52 */
  uint32_t faults_max;  /* accesses that can wait at a time; with WAITS, 1 to 65536 */
  uint32_t reserved;
  uint64_t page_sizes; /* bit n: leaves of 2^n bytes; 4096 is one of them */
};
#define IOMMUCHECK_BACKEND_INFO_SIZE_VER0 40u

enum {
  IOMMUCHECK_ROUTE_BLOCKED = 0,
  IOMMUCHECK_ROUTE_UNTRANSLATED = 1,
  IOMMUCHECK_ROUTE_TABLE = 2,
  /* Where `structure` says, a user's own route, behind the outer space of `table`. */
  IOMMUCHECK_ROUTE_USER = 3
};
struct iommucheck_route {
  uint32_t size;
  uint32_t abi;
  uint32_t kind;       /* IOMMUCHECK_ROUTE_* */
  uint32_t first;      /* beside a table, where accesses without a PASID go; TABLE: its entry */
  uint32_t pasid_bits; /* how much of the table the device may reach; 0: no PASID, 0 neither */
  uint32_t reserved;
  void* table; /* the backend's; NULL without one */
  uint64_t structure[2];
};
/* Up to and with `table`. */
#define IOMMUCHECK_ROUTE_SIZE_VER0 32u

#define IOMMUCHECK_ENTRY_PROCESS 0x1u /* the table is the CPUs' */
#define IOMMUCHECK_ENTRY_WAITS 0x2u   /* faults wait for an answer */
#define IOMMUCHECK_ENTRY_QUIET 0x4u   /* nothing is translated, and nothing reported */
/* Accesses pass as they are, there is no table: where can_route says so. */
#define IOMMUCHECK_ENTRY_UNTRANSLATED 0x8u
/* The space is an outer one: the first entry of a table that leads there and nowhere else. */
#define IOMMUCHECK_ENTRY_OUTER 0x10u
struct iommucheck_entry {
  uint32_t size;
  uint32_t abi;
  uint32_t flags; /* IOMMUCHECK_ENTRY_* */
  uint32_t input_bits;
  uint64_t table_pa; /* root of the page table; 0: that of `space` is not in memory */
  struct iommucheck_tag tag;
  void* space; /* the backend's own; NULL: a process's */
};
#define IOMMUCHECK_ENTRY_SIZE_VER0 48u

/* The backend fills it; size and abi are set, and the rest is 0. */
struct iommucheck_space {
  uint32_t size;
  uint32_t abi;
  uint64_t table_pa; /* root of its page table; 0: there is none in memory. A foreign one has one */
  struct iommucheck_tag tag;
  int32_t error; /* of a space that there is none of: 0, ENOMEM, ENOSPC (no tag is left) */
  uint32_t reserved;
};
/* Up to and with `tag`. */
#define IOMMUCHECK_SPACE_SIZE_VER0 32u

/* Likewise. */
struct iommucheck_waiting {
  uint32_t size;
  uint32_t abi;
  uint32_t
      group;     /* what is answered, by the IOMMU's number: the access, or with GROUPS its group */
  uint32_t last; /* 1: its group is whole; without GROUPS always 1, which the tester has set */
  uint32_t stream_id;
  uint32_t pasid; /* or IOMMUCHECK_BACKEND_NO_PASID */
  uint32_t prot;  /* what was wanted: IOMMUCHECK_PROT_READ, _WRITE, _EXEC */
  uint32_t reserved;
  uint64_t iova;
};
#define IOMMUCHECK_WAITING_SIZE_VER0 40u

enum {
  IOMMUCHECK_FLUSH_COMPLETE = 0,  /* every command has taken effect                          */
  IOMMUCHECK_FLUSH_SKIPPED = 1,   /* a command had none, and the IOMMU takes others: the     */
                                  /* core calls drop_everything at once, and goes on         */
  IOMMUCHECK_FLUSH_TIMED_OUT = 2, /* nothing is known about what was sent                    */
  IOMMUCHECK_FLUSH_UNANSWERED = 3 /* complete, but for a device that has not said that it has */
                                  /* dropped what it has cached: the core then asks each     */
                                  /* device by itself, and blocks the one that does not say  */
};
enum {
  IOMMUCHECK_ANSWERED_DONE = 0,       /* it has acted                          */
  IOMMUCHECK_ANSWERED_ON_ITS_WAY = 1, /* it will, when the IOMMU goes on       */
  IOMMUCHECK_ANSWERED_NO = 2          /* it did not get through                */
};
enum { IOMMUCHECK_PLACE_PRESENT = 0, IOMMUCHECK_PLACE_MADE = 1 };

/* What a command of a user's is about, from what others can be refilled by to what fills from all
 * others. The backend fills it in; the tester has set size and abi, and the rest to 0. */
enum {
  IOMMUCHECK_USER_REFUSED = 0, /* none that a user may give */
  IOMMUCHECK_USER_ENTRIES = 1,
  IOMMUCHECK_USER_TRANSLATIONS = 2,
  IOMMUCHECK_USER_DEVICE = 3 /* what a device has cached itself */
};
struct iommucheck_user_about {
  uint32_t size;
  uint32_t abi;
  uint32_t about; /* IOMMUCHECK_USER_* */
  uint32_t names_device;
  uint32_t number; /* by which the user calls the device */
  uint32_t reserved;
};
#define IOMMUCHECK_USER_ABOUT_SIZE_VER0 24u

/* [iova, iova + bytes) of a space, at which what was written to is asked for: a bit for each grain,
 * the first one bit 0 of word 0. */
struct iommucheck_dirty {
  uint32_t size;
  uint32_t abi;
  uint64_t iova;
  uint64_t bytes;
  uint64_t grain;
  uint32_t clear; /* 1: leaves that lie wholly inside are to be clean again */
  uint32_t reserved;
  uint64_t* bitmap;
};
#define IOMMUCHECK_DIRTY_SIZE_VER0 48u

/* Likewise: of an access that a table has ended. `words` is what the user of the device reads of
 * it, without the device's number (set_number) and without what is the host's. */
struct iommucheck_ended {
  uint32_t size;
  uint32_t abi;
  uint32_t stream_id;
  uint32_t pasid; /* or IOMMUCHECK_BACKEND_NO_PASID */
  uint32_t told;  /* 1: the user's own table has; 0: what has is the host's, and so is all of it */
  uint32_t reserved;
  uint64_t words[4];
};
#define IOMMUCHECK_ENDED_SIZE_VER0 56u

struct iommucheck_backend_ops {
  uint32_t size;
  uint32_t abi;

  /* Of `platform` it uses memory (window, table_alloc, table_free, arena_alloc, store64, fill64,
   * load64, atomic), registers (mmio_*), wait and log; nothing of it before begin_reset. Both live
   * as long as the backend. NULL: no memory. */
  void* (*open)(const struct iommucheck_platform* platform, const struct iommucheck_config* config,
                struct iommucheck_backend_info* info);

  /* From any state to one that takes commands, with every device blocked; then, after everything
   * that it may have cached was invalidated, to one that translates. 0, ENOMEM, ENODEV, ETIMEDOUT.
   */
  int32_t (*begin_reset)(void* self);
  int32_t (*end_reset)(void* self);
  /* Nothing passes any more. 0, ETIMEDOUT. */
  int32_t (*stop)(void* self);
  /* Memory that nothing reaches any more. */
  void (*free_everything)(void* self);

  /* Makes place for the routes of a device, blocked. 0, ENODEV, ENOMEM. */
  int32_t (*add_device)(void* self, uint32_t device);
  /* Whether accesses of the device, at a PASID or without one, can go there: IOMMUCHECK_ROUTE_*.
   * Always the same; asked before `open` too, with self NULL. An attach where they cannot is
   * EOPNOTSUPP. Each can be led to a table, and nowhere. NULL: untranslated without a PASID only.
   */
  int32_t (*can_route)(void* self, uint32_t kind, uint32_t device, uint32_t at_pasid);
  /* What has to be known of a route before set_route, where one store cannot change it. 1: a step
   * was stored; the core calls forget_route and flush, and asks again. 0: there is none (left).
   * ETIMEDOUT. In between, accesses without a PASID meet the old route's, the new one's, or
   * nothing, and those at PASIDs no other than before and after. NULL: never. */
  int32_t (*prepare_route)(void* self, uint32_t device, const struct iommucheck_route* route);
  /* By one store that others see. 1; 0: it has been so already; ETIMEDOUT, of this and of each
   * store below: it says the one or the other. The core stores it again before it goes on.
   * Behind a time-out it is told a route that nothing has prepared, the former one or blocked, and
   * several words may be as steps towards another have left them. Where one store cannot make that,
   * it blocks the device, and drop_everything, which comes before anything else is asked of it,
   * stores the rest once all was forgotten. */
  int32_t (*set_route)(void* self, uint32_t device, const struct iommucheck_route* route);
  /* With it every entry that the device has reached; whole: also that there was none. */
  void (*forget_route)(void* self, uint32_t device, uint32_t whole);

  /* NULL: no memory. */
  void* (*open_table)(void* self);
  /* Nothing reaches it any more, in memory or in caches. */
  void (*close_table)(void* self, void* table);
  /* The entry of accesses without a PASID, before any route leads to the table. NULL: none. 0,
   * ETIMEDOUT. */
  int32_t (*set_first_entry)(void* self, void* table, const struct iommucheck_entry* entry);
  /* A place for the entry of a PASID; it stays, empty. IOMMUCHECK_PLACE_*, ENOMEM. MADE: the core
   * calls forget_entry(whole). */
  int32_t (*make_place)(void* self, void* table, uint32_t pasid);
  /* As prepare_route, of an entry that is not there yet, or leads to the same page table; behind
   * the last step too the core calls forget_entry and flush. NULL: never. */
  int32_t (*prepare_entry)(void* self, void* table, uint32_t pasid,
                           const struct iommucheck_entry* entry);
  /* Makes the entry valid, or another one with the same page table behind it, by one store; NULL:
   * clears it. 0, ETIMEDOUT. Never of accesses without a PASID: set_first_entry is. */
  int32_t (*store_entry)(void* self, void* table, uint32_t pasid,
                         const struct iommucheck_entry* entry);
  void (*forget_entry)(void* self, uint32_t device, uint32_t pasid, uint32_t whole);

  /* Whether it can walk the tables of such a process: 1 or 0. */
  int32_t (*understands)(void* self, const struct iommucheck_mm* mm);
  /* What translations of a process carry from now on: 0, ENOSPC; it is there always. And back: no
   * cache has it any more; NULL: nothing is to be done. A space's tag comes and goes with the
   * space. */
  int32_t (*take_tag)(void* self, const struct iommucheck_mm* mm, struct iommucheck_tag* tag);
  void (*release_tag)(void* self, const struct iommucheck_tag* tag);

  /* An empty one. foreign: the IOMMU never reaches it, others walk it. NULL: no memory, no tag
   * (space->error), or none that others can walk: of a foreign one the call then answers
   * EOPNOTSUPP. */
  void* (*open_space)(void* self, uint32_t input_bits, uint32_t foreign,
                      struct iommucheck_space* space);
  /* Nothing reaches it any more, in memory or in caches. */
  void (*close_space)(void* self, void* space);
  /* From the start on, as far as it gets: *done bytes. 0, EEXIST (something is mapped), ENOMEM;
   * ETIMEDOUT where mapping takes commands: *done is all that may be mapped now, and unmap takes
   * it out.
   * Addresses and sizes are multiples of 4096 in range. prot as in driver.h: READ is implied by
   * WRITE and EXEC where the format cannot leave it out; where it can, either is right. */
  int32_t (*map)(void* self, void* space, uint64_t iova, uint64_t pa, uint64_t bytes, uint32_t prot,
                 uint64_t* done);
  /* Clears leaves from the start to the first hole: how many bytes. *tables is set to 1 if a part
   * of the table left the tree; it is kept until free_retired. Without REMEMBERS_UNMAPPED, and
   * always of a foreign space, only a part all of which this call has cleared may leave: map does
   * not make known what is mapped there next. */
  uint64_t (*unmap)(void* self, void* space, uint64_t iova, uint64_t bytes, uint32_t* tables);
  /* What the table says. 0: nothing. */
  uint64_t (*translate)(void* self, void* space, uint64_t iova);
  /* No cache leads any more to what unmap took out. */
  void (*free_retired)(void* self, void* space);

  /* Translations of the tag in [first, last], and with tables the pointers on the way. `places`,
   * none twice, and maybe none: all those at which an entry with the tag stands, or has stood since
   * its translations there were last dropped: each place gets a call of its own when an entry has
   * left it. Whoever knows translations by tag and PASID drops them there, whoever knows them by
   * the tag alone needs no places. */
  void (*drop_range)(void* self, const struct iommucheck_tag* tag,
                     const struct iommucheck_place* places, uint32_t count, uint64_t first,
                     uint64_t last, uint32_t tables);
  /* What the device has cached itself at the PASID. */
  void (*drop_device)(void* self, uint32_t device, uint32_t pasid, uint64_t first, uint64_t last);
  /* Waits for all that was forgotten and dropped. IOMMUCHECK_FLUSH_*. One flush for two batches
   * does not say what a flush behind each would: within a batch the order is open. */
  int32_t (*flush)(void* self);
  /* All that the IOMMU itself has cached; also what is filled, before it has acted, by what it
   * drops. 0, ETIMEDOUT. */
  int32_t (*drop_everything)(void* self);

  /* With IOMMUCHECK_BACKEND_WAITS. The oldest that was not read: 1; 0: none is left. */
  int32_t (*read_fault)(void* self, struct iommucheck_waiting* fault);
  /* IOMMUCHECK_FAULT_SUCCESS: its accesses are made again; INVALID: they are aborted; FAILURE: and
   * a device that asks for pages asks no more until somebody enables that. Whole or not.
   * IOMMUCHECK_ANSWERED_*. */
  int32_t (*answer)(void* self, uint32_t group, uint32_t response);

  /* With IOMMUCHECK_BACKEND_USERS. As open_space, of an outer space, with which map, unmap and
   * drop_range do what they do with any; privilege means nothing there. To drop its tag at all
   * addresses, with tables, drops all that users' tables have made over it, too. NULL: no memory.
   */
  void* (*open_outer)(void* self, uint32_t input_bits, struct iommucheck_space* space);
  /* Whether a route may go by that, over that outer space: 0, EINVAL (iommucheck_user_format.route
   * says 0, or it has a PASID table or none unlike `pasids`), EOPNOTSUPP. Of another format nobody
   * asks. */
  int32_t (*check_structure)(void* self, const uint64_t* structure, uint32_t pasids, void* outer);
  /* All that users' tables and the outer space of that tag have made together; behind a flush of
   * what was dropped of the tag itself. NULL: that has taken it along. */
  void (*drop_inner)(void* self, const struct iommucheck_tag* outer);
  /* All that the device has cached, without a PASID and at each there is. */
  void (*drop_device_wholly)(void* self, uint32_t device);
  /* Two words of a user's. */
  void (*understand)(void* self, const uint64_t* words, struct iommucheck_user_about* about);
  /* What is to be sent for one that is not refused: of the user with that outer tag alone, and of
   * no device but that one, if it names any. Whether it is the user's the core has looked at. */
  void (*forward)(void* self, const uint64_t* words, const struct iommucheck_tag* outer,
                  uint32_t device);

  /* With IOMMUCHECK_BACKEND_TRACKS_WRITES. From now on map makes what is clean, and all that stands
   * there is; or nothing is marked any more. What is cached the core drops. */
  void (*track)(void* self, void* space, uint32_t on);
  /* Sets bits for what is marked, of every leaf that has a part in it: hardware may mark it as this
   * is read. 1: some of it was made clean, which caches have to learn; 0: none was. */
  int32_t (*read_marks)(void* self, void* space, const struct iommucheck_dirty* of);
  /* Undoes what read_marks has made clean: each leaf with a bit in the bitmap is marked again. */
  void (*mark_again)(void* self, void* space, const struct iommucheck_dirty* of);
  /* Of accesses that have ended the marks are there behind the next flush. NULL: at once. */
  void (*settle_marks)(void* self);

  /* With IOMMUCHECK_BACKEND_TELLS_USERS. The oldest that was not read: 1; 0: none is left. */
  int32_t (*read_event)(void* self, struct iommucheck_ended* event);
  /* Of its words: the number by which the user calls the device. */
  void (*set_number)(void* self, uint64_t* words, uint32_t number);
};
/* Up to and with `drop_everything`. */
#define IOMMUCHECK_BACKEND_OPS_SIZE_VER0 248u

/* ---------------------------------------------------------------------------------------------
 * 2. The hardware
 * ------------------------------------------------------------------------------------------- */

#define IOMMUCHECK_STREAM_CACHES 0x1u /* the device caches translations itself */
#define IOMMUCHECK_STREAM_WAITS 0x2u  /* its accesses can wait */
/* Never changes. */
struct iommucheck_stream {
  uint32_t id;
  uint32_t flags; /* IOMMUCHECK_STREAM_* */
  uint32_t pasid_bits;
  uint32_t reserved;
};

/* Valid until the process ends. */
struct iommucheck_hardware_host {
  uint32_t size;
  uint32_t abi;
  uint32_t stream_count;
  uint32_t pasid_bits; /* the widest PASIDs that the platform's IOMMU can do */
  const struct iommucheck_stream* streams;
  /* Physical memory for the processes' own tables, behind that of the backend. */
  uint64_t process_pa;
  uint64_t process_bytes;
};
#define IOMMUCHECK_HARDWARE_HOST_SIZE_VER0 40u

/* What an access may get. */
enum {
  IOMMUCHECK_GETS_ADDRESS = 0,
  IOMMUCHECK_GETS_BLOCKED = 1,    /* the device goes nowhere                                  */
  IOMMUCHECK_GETS_NO_ENTRY = 2,   /* there is nothing at the PASID                            */
  IOMMUCHECK_GETS_NOT_MAPPED = 3, /* and reported                                             */
  IOMMUCHECK_GETS_DENIED = 4,     /* and reported                                             */
  IOMMUCHECK_GETS_WAITS = 5,
  IOMMUCHECK_GETS_QUIET = 6,
  IOMMUCHECK_GETS_ANYTHING = 7, /* a walk is in memory that may be somebody else's             */
  /* With IOMMUCHECK_BACKEND_USERS: what an outer space ends, of whosever access, and what a user's
   * table that nobody has written leads to: anything that the outer space maps. */
  IOMMUCHECK_GETS_OUTER_NOT_MAPPED = 8,
  IOMMUCHECK_GETS_OUTER_DENIED = 9,
  IOMMUCHECK_GETS_INSIDE = 10
};
/* Never changes. */
struct iommucheck_may_get {
  uint32_t kind; /* IOMMUCHECK_GETS_* */
  uint32_t reserved;
  uint64_t pa; /* of ADDRESS, else 0 */
  /* Why that is so, in some words: "translation of the tag not dropped", "route still cached".
   * Findings say it, and where the words are the same their cause is. NULL: memory says so. Valid
   * until the next call. */
  const char* why;
};
/* The same where there are users, or marks. Never changes. */
struct iommucheck_may_reach {
  uint32_t kind;
  uint32_t has_ipa; /* 1: an outer space was asked for the address `ipa` */
  uint64_t pa;
  const char* why;
  uint64_t ipa;
  uint64_t mark; /* of a write: where the word of a table is that it marks; 0: it marks none */
};
#define IOMMUCHECK_ANSWERS_MAX 64u

enum { IOMMUCHECK_ACCESS_READ = 0, IOMMUCHECK_ACCESS_WRITE = 1, IOMMUCHECK_ACCESS_EXECUTE = 2 };

/* What is asked. */
struct iommucheck_access {
  uint32_t size;
  uint32_t abi;
  uint32_t stream_id;
  uint32_t pasid; /* or IOMMUCHECK_BACKEND_NO_PASID */
  uint64_t iova;
  uint32_t access;     /* IOMMUCHECK_ACCESS_* */
  uint32_t privileged; /* 1: what was mapped with IOMMUCHECK_PROT_PRIVILEGED is its as well */
  /* With GROUPS, of a device that asks for pages: its own number of the group, and 1: no page of
   * that is to come. */
  uint32_t group;
  uint32_t last;
};
/* A number whose last page was asked for may come again at the PASID, as another group, while that
 * still waits: each access of a device that stalls is a group by itself, and the number is no name.
 * The id of wait is. */
#define IOMMUCHECK_ACCESS_SIZE_VER0 40u

/* All of it, always: nothing is evicted at random, no choice is made. A model that leaves out what
 * a cache may still hold hides errors; one that adds what none can hold finds what is none. */
struct iommucheck_hardware_ops {
  uint32_t size;
  uint32_t abi;

  /* Powered on: nothing is known of memory, nothing translates. NULL: no memory. */
  void* (*open)(const struct iommucheck_hardware_host* host);

  /* Eight bytes of memory, in the order of the stores. 1: the word leads devices (a route, an
   * entry); 0: it is one of a page table, or of nothing. */
  int32_t (*stored)(void* self, uint64_t pa, uint64_t value);
  /* The memory is somebody else's from now on. 1; 0: an access may still lead there, as a table. */
  int32_t (*given_back)(void* self, uint64_t pa, uint64_t bytes);
  void (*write)(void* self, uint64_t offset, uint64_t value);
  uint64_t (*read)(void* self, uint64_t offset);
  /* While it is stuck no command completes. */
  void (*set_stuck)(void* self, uint32_t stuck);
  /* The device is gone, with what it has cached. */
  void (*remove)(void* self, uint32_t stream_id);

  /* The processes' own tables, in the format that the IOMMU walks. Root of one that is empty; 0: no
   * memory. Then one page of 4096 bytes of it, prot 0: nothing is mapped; 1, 0: no memory. What
   * `says` took out of the table nobody has cached any more; the table is given back: 1, 0: an
   * access may still lead there. */
  uint64_t (*process_created)(void* self, uint64_t mm);
  int32_t (*process_says)(void* self, uint64_t mm, uint64_t va, uint64_t pa, uint32_t prot);
  int32_t (*process_settles)(void* self, uint64_t mm);
  int32_t (*process_gone)(void* self, uint64_t mm);

  /* Every answer, in any order, none twice: how many, 1 to IOMMUCHECK_ANSWERS_MAX. */
  uint32_t (*answers)(void* self, const struct iommucheck_access* access,
                      struct iommucheck_may_get* answers);

  /* Walkers of others (a GPU) that walk a foreign space: one gets a table and has nothing cached
   * then, root 0: none; it drops what it has cached; and as answers. They know no "not mapped". */
  void (*walker_switches)(void* self, uint32_t walker, uint64_t root, uint32_t input_bits);
  void (*walker_flushes)(void* self, uint32_t walker);
  uint32_t (*walker_answers)(void* self, uint32_t walker, uint64_t iova, uint32_t access,
                             struct iommucheck_may_get* answers);

  /* With IOMMUCHECK_BACKEND_WAITS. An access that may wait does: its id, 1 to 2^32 - 1, which no
   * other has or had; 0: it cannot. The oldest response that was not taken, IOMMUCHECK_FAULT_*: one
   * to each access of a group, and one to the number of any access of it that none of them waits
   * for (it was answered before): 1; 0: none is left. */
  uint32_t (*wait)(void* self, const struct iommucheck_access* access);
  int32_t (*take_response)(void* self, uint32_t* id, uint32_t* response);
  int32_t (*is_waiting)(void* self, uint32_t id);

  /* With IOMMUCHECK_BACKEND_USERS or _TRACKS_WRITES, in the place of `answers`. */
  uint32_t (*whole_answers)(void* self, const struct iommucheck_access* access,
                            struct iommucheck_may_reach* answers);
  /* With IOMMUCHECK_BACKEND_TRACKS_WRITES: what becomes of a word that an access marks. The tester
   * stores it, and tells so by `stored`. */
  uint64_t (*marked)(void* self, uint64_t word);

  /* With IOMMUCHECK_BACKEND_TELLS_USERS. The record of an access that gets that, of four words, its
   * stream ID in bits 63:32 of the first one: 1; 0: there is none. Whether there is room for it: 1
   * or 0, and it is lost. It joins those that the backend reads. */
  int32_t (*record_of)(void* self, const struct iommucheck_access* access,
                       const struct iommucheck_may_reach* gets, uint64_t* words);
  int32_t (*has_room)(void* self);
  void (*report)(void* self, const uint64_t* words);
};
/* Up to and with `walker_answers`. */
#define IOMMUCHECK_HARDWARE_OPS_SIZE_VER0 128u

/* ---------------------------------------------------------------------------------------------
 * 3. What users write
 * ------------------------------------------------------------------------------------------- */

/* Where a user's own route leads. */
enum {
  IOMMUCHECK_USER_ROUTE_BLOCKED = 0,
  IOMMUCHECK_USER_ROUTE_PASSES = 1, /* its accesses are addresses of the outer space */
  IOMMUCHECK_USER_ROUTE_TABLE = 2,  /* by its table */
  IOMMUCHECK_USER_ROUTE_ENTRIES = 3 /* by a PASID table of its own, entry 0 without a PASID */
};
/* Filled in by `route`; size and abi are set, and the rest is 0. */
struct iommucheck_user_route {
  uint32_t size;
  uint32_t abi;
  uint32_t kind;       /* IOMMUCHECK_USER_ROUTE_* */
  uint32_t input_bits; /* of the table */
  uint64_t table;      /* its root, an address of the outer space */
  /* By which number its translations are known beside the outer tag (a PSCID). Where has_number is
   * 0 it is the root that does that. */
  uint64_t number;
  uint32_t has_number;
  uint32_t pasid_bits; /* of the PASID table: how many entries it has */
  uint64_t entries;    /* where it begins: entry_words of each, one behind the other */
};
#define IOMMUCHECK_USER_ROUTE_SIZE_VER0 48u

/* Likewise. Translations of [first, last] of all the user's tables, or of one alone; or something
 * of a device. What it does not owe it may do: a range may be wider. */
struct iommucheck_user_command {
  uint32_t size;
  uint32_t abi;
  uint32_t about; /* IOMMUCHECK_USER_TRANSLATIONS, _ENTRIES or _DEVICE */
  uint32_t names; /* what of the following it names: IOMMUCHECK_USER_NAMES_* */
  uint64_t first;
  uint64_t last;
  uint64_t table;  /* by its root */
  uint64_t number; /* by that of a route */
  uint64_t device; /* by the user's number */
  uint32_t pasid;  /* of an entry, else all of them */
  uint32_t reserved;
};
#define IOMMUCHECK_USER_COMMAND_SIZE_VER0 64u
#define IOMMUCHECK_USER_NAMES_TABLE 0x1u
#define IOMMUCHECK_USER_NAMES_NUMBER 0x2u
#define IOMMUCHECK_USER_NAMES_DEVICE 0x4u
#define IOMMUCHECK_USER_NAMES_PASID 0x8u

/* Which command the tester wants to write as a user. OF_HOST, SYNC and RESPONSE no user may give;
 * what there is no command for is one that is refused as well. */
enum {
  IOMMUCHECK_USER_WRITES_PAGE = 0,    /* what all tables say of the page at `va` */
  IOMMUCHECK_USER_WRITES_ALL = 1,     /* all translations */
  IOMMUCHECK_USER_WRITES_NUMBER = 2,  /* all of the route with `number` */
  IOMMUCHECK_USER_WRITES_DEVICE = 3,  /* what the device `number` has cached of the page at `va` */
  IOMMUCHECK_USER_WRITES_OF_HOST = 4, /* all translations of everybody */
  IOMMUCHECK_USER_WRITES_SYNC = 5,
  IOMMUCHECK_USER_WRITES_RESPONSE = 6, /* to a page request */
  IOMMUCHECK_USER_WRITES_ENTRY = 7     /* the entry at PASID `va` of the device `number` */
};

/* By what an access of a user's device was ended. */
enum {
  IOMMUCHECK_USER_ENDED_NOT_MAPPED = 0,
  IOMMUCHECK_USER_ENDED_DENIED = 1,
  IOMMUCHECK_USER_ENDED_NO_ENTRY = 2, /* its route has no PASIDs, or fewer */
  IOMMUCHECK_USER_ENDED_BAD_ENTRY = 3 /* that at the PASID is none */
};
/* Filled in by `event`; size and abi are set, and the rest is 0. What a user reads in a record. */
struct iommucheck_user_ended {
  uint32_t size;
  uint32_t abi;
  uint64_t number; /* its own, of the device */
  uint32_t has_pasid;
  uint32_t pasid;
  uint64_t iova;
  uint32_t has_iova; /* and access */
  uint32_t access;   /* IOMMUCHECK_ACCESS_* */
  uint32_t ended;    /* IOMMUCHECK_USER_ENDED_* */
  uint32_t and_more; /* 1: its words say something besides */
};
#define IOMMUCHECK_USER_ENDED_SIZE_VER0 48u

/* How users write for an IOMMU of their own of that kind, by functions of their arguments alone:
 * what their words mean, by which they are judged, and words as the tester writes them, who is the
 * user. Commands and structures are two words; tables have levels of 512, leaves of 4 KiB. */
struct iommucheck_user_format {
  uint32_t size;
  uint32_t abi;
  uint32_t format; /* iommucheck_nested_params.format, 0x100 or more */
  uint32_t levels; /* of the tables that are written: 3 or 4 */
  /* 1; 0: nothing that a user may choose, or that is wrong. */
  int32_t (*route)(const uint64_t* structure, struct iommucheck_user_route* route);
  /* 1; 0: none that a user may give. */
  int32_t (*command)(const uint64_t* words, struct iommucheck_user_command* command);

  /* A word that leads to a table, one that maps a page, prot as in driver.h, and where the former
   * leads. Each with an address of the outer space. A word of 0 is not valid. */
  uint64_t (*pointer)(uint64_t table);
  uint64_t (*leaf)(uint64_t page, uint32_t prot);
  uint64_t (*next)(uint64_t word);
  /* The route to a table with as many levels. With a number that no other root has. */
  void (*route_to)(uint64_t root, uint64_t* structure);
  /* IOMMUCHECK_USER_WRITES_*. */
  void (*write)(uint32_t what, uint64_t number, uint64_t va, uint64_t* words);

  /* PASID tables of users' own; entry_words 0, and NULL: there are none. An entry is 1 to 8 words;
   * while its first one is 0 it is not valid, and that is written last. The route to a table of
   * 2^lg2 entries at least, at a page of 4 KiB; what an entry is to say
   * (IOMMUCHECK_USER_ENTRY_TABLE or _GARBAGE), with the number that route_to gives the root. */
  uint32_t entry_words;
  uint32_t reserved;
  void (*route_to_entries)(uint64_t entries, uint32_t lg2, uint64_t* structure);
  void (*entry_to)(uint32_t kind, uint64_t root, uint64_t* words);

  /* With IOMMUCHECK_BACKEND_TELLS_USERS. What a user who knows the device by that number may read
   * of a record of the hardware's, four words each: 1; 0: nothing. And what that means. */
  int32_t (*told)(const uint64_t* record, uint64_t number, uint64_t* words);
  void (*event)(const uint64_t* words, struct iommucheck_user_ended* event);
};
/* Up to and with `write`. */
#define IOMMUCHECK_USER_FORMAT_SIZE_VER0 72u

/* ---------------------------------------------------------------------------------------------
 * 4. The entry
 * ------------------------------------------------------------------------------------------- */

struct iommucheck_backend {
  uint32_t size;
  uint32_t abi;
  uint32_t flags; /* IOMMUCHECK_BACKEND_*, always the same; a bit that this version does not know is
                     refused */
  uint32_t reserved; /* 0 */
  const char* name;
  const struct iommucheck_backend_ops* backend;
  const struct iommucheck_hardware_ops* hardware;
  const struct iommucheck_user_format* users; /* with IOMMUCHECK_BACKEND_USERS */
  /* How many spaces and processes can have a tag at a time, where these are few (VMIDs, domains):
   * open_space and take_tag may say ENOSPC for one more, and for none before. 0: nobody runs out.
   */
  uint32_t tags_max;
  uint32_t reserved2; /* 0 */
};
/* Up to and with `hardware`. */
#define IOMMUCHECK_BACKEND_SIZE_VER0 40u

/* The one symbol. Returns a constant struct that lives as long as the object does. */
const struct iommucheck_backend* iommucheck_backend_entry(void);

typedef const struct iommucheck_backend* (*iommucheck_backend_entry_fn)(void);
#define IOMMUCHECK_BACKEND_ENTRY_NAME "iommucheck_backend_entry"

#ifdef __cplusplus
}
#endif

#endif
