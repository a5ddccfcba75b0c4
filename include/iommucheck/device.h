/* SPDX-License-Identifier: MIT
 *
 * iommucheck/device.h - the door for authors of SMMUv3 models.
 *
 * A device under test is a shared object that exports ONE function:
 *
 *     const struct iommucheck_dut *iommucheck_device_entry(void);
 *
 *     iommucheck conform --device ./mine.so
 *
 * The tester writes registers, sends accesses of the DMA engines behind the SMMU, and judges every
 * answer by the specification. The object is loaded in a process of its own: where it crashes,
 * hangs or answers nonsense, that is a finding with the case that led to it, and the next case
 * meets a new process. A complete model is examples/devices/minimal_device.c. A device in a process
 * or a language of its own answers the same records as frames: docs/conform.md, "Frames".
 *
 * Rules that hold for the whole file
 *  - C99 and C++, 64-bit ABIs, little endian.
 *  - Every struct begins with its `size` in bytes and the `abi` that its writer was built with,
 *    but for iommucheck_dut_op, which never changes. It grows at its end: a member beyond `size` is
 *    absent and reads as 0 or NULL. Who fills a struct of somebody else's writes `size` bytes at
 *    most. IOMMUCHECK_<STRUCT>_SIZE_VER0 is the size of its first version; less is refused.
 *  - `abi` changes when a member changes its place or meaning, never because one is added. A
 *    struct of another `abi` is refused.
 *  - The device is called by one thread, one call at a time. It calls the functions of its host
 *    from inside open, reset and run only, on that thread.
 *  - The memory of the system is the TESTER'S, whatever the SMMU reads or writes in it: stream
 *    table, CDs, translation tables, queues, MSIs. The device reaches it through the host and keeps
 *    no copy but what an SMMU may cache.
 */
#ifndef IOMMUCHECK_DEVICE_H
#define IOMMUCHECK_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "iommucheck/words.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IOMMUCHECK_DUT_ABI 1u

/* ---------------------------------------------------------------------------------------------
 * 1. What is asked
 * ------------------------------------------------------------------------------------------- */

/* iommucheck_dut_op.kind. A number that the device does not know is answered with REFUSED. */
enum {
  IOMMUCHECK_DUT_READ = 1,  /* of a register: `value` is the answer                             */
  IOMMUCHECK_DUT_WRITE = 2, /* of a register                                                    */
  IOMMUCHECK_DUT_DMA = 3,   /* an access of a DMA engine: `status`, `pa` or `value` answer      */
  /* Memory, only for a device that says IOMMUCHECK_DUT_HOLDS_MEMORY. */
  IOMMUCHECK_DUT_STORE = 4, /* `value` at `address`, eight bytes, visible to the SMMU at once    */
  IOMMUCHECK_DUT_FILL = 5,  /* `where` such words of one `value`, ascending from `address`       */
  IOMMUCHECK_DUT_LOAD = 6,  /* eight bytes at `address`: `value` is the answer                   */
  /* Only for a device that says IOMMUCHECK_DUT_SAVES: its state is saved, thrown away, and built
   * anew from what was saved, as a migration does. Memory stays. Nothing may show it later. */
  IOMMUCHECK_DUT_SAVE_RESTORE = 7,
  /* Only for a device that says IOMMUCHECK_DUT_ATS: its engines are endpoints of PCIe ATS, and what
   * they keep in their ATC is the tester's affair. */
  IOMMUCHECK_DUT_ATS_REQUEST = 8, /* a translation request: `status`, `pa`, `value` answer        */
  IOMMUCHECK_DUT_ATC_DONE = 9, /* an endpoint has done the invalidation with the tag `where`    */
  IOMMUCHECK_DUT_ATC_TIME_OUT = 10, /* the time of endpoints is over for all that are not done:
                                     CERROR_ATC_INV_SYNC (IHI 0070 3.9.1.4) */
  /* Only for a device that says IOMMUCHECK_DUT_DELEGATES, in the place of DMA: its host's SMMU has
   * recorded an event. The four words of the record (7.3): word 0 has `ssid` in bits 31:0 and
   * `where`, the StreamID, in bits 63:32; words 1 to 3 are `address`, `value` and `pa`. */
  IOMMUCHECK_DUT_RECORD_EVENT = 11,
  /* Only for a device that says IOMMUCHECK_DUT_PRI: an endpoint sends a Page Request Message for
   * the page at `address`, `value` is its PRG index. It is done when it has arrived. */
  IOMMUCHECK_DUT_PAGE_REQUEST = 12
};

/* iommucheck_dut_op.attributes, of a DMA. The device is asked for what its flags offer alone. */
#define IOMMUCHECK_DUT_IS_WRITE 0x1u       /* else it reads                        */
#define IOMMUCHECK_DUT_IS_PRIVILEGED 0x2u  /* IOMMUCHECK_DUT_SENDS_PRIVILEGED      */
#define IOMMUCHECK_DUT_IS_INSTRUCTION 0x4u /* IOMMUCHECK_DUT_SENDS_INSTRUCTIONS    */
#define IOMMUCHECK_DUT_HAS_SUBSTREAM 0x8u  /* `ssid` counts; IOMMUCHECK_DUT_SENDS_SUBSTREAMS */
#define IOMMUCHECK_DUT_IS_TRANSLATED 0x10u /* `address` is physical: IOMMUCHECK_DUT_ATS */
/* Of an ATS_REQUEST: IS_WRITE (it asks for writing, too: NW = 0), IS_PRIVILEGED, HAS_SUBSTREAM. */
/* Of a PAGE_REQUEST: IS_READ, IS_WRITE, IS_LAST are the message's R, W, L. HAS_SUBSTREAM: it has a
 * PASID; then IS_INSTRUCTION and IS_PRIVILEGED are what that asks for. IS_LAST without IS_READ and
 * IS_WRITE and with HAS_SUBSTREAM is a Stop Marker (IHI 0070 8). */
#define IOMMUCHECK_DUT_IS_READ 0x40u
#define IOMMUCHECK_DUT_IS_LAST 0x80u

/* What an ATS_REQUEST is granted: `value` of one with status DONE, and `pa` then says where
 * `address` leads. No right at all is an answer, too; then the rest of `value` and `pa` are 0. */
#define IOMMUCHECK_DUT_MAY_READ 0x1u
#define IOMMUCHECK_DUT_MAY_WRITE 0x2u
#define IOMMUCHECK_DUT_EXTENT_PLACE \
  8u /* bits 13:8: lg2 of the bytes that the answer covers; 12: 4K */

/* iommucheck_dut_op.status. It is handed over as 0, so that one that is forgotten is found. */
enum {
  IOMMUCHECK_DUT_NO_REPLY = 0,   /* no answer: always a finding                                  */
  IOMMUCHECK_DUT_DONE = 1,       /* DMA: it passed. All others: done                              */
  IOMMUCHECK_DUT_TERMINATED = 2, /* DMA: the SMMU ended it with an abort, or as RAZ/WI; or memory
                                    did (an external abort of the access itself)                 */
  IOMMUCHECK_DUT_STALLED = 3,    /* DMA: it waits for CMD_RESUME or CMD_STALL_TERM                */
  IOMMUCHECK_DUT_REFUSED = 4,    /* the device has no such register access or DMA: a finding, since
                                    IHI 0070 6.2 wants every access of 4 and 8 bytes            */
  IOMMUCHECK_DUT_UNSUPPORTED = 5,    /* ATS_REQUEST: answered with Unsupported Request           */
  IOMMUCHECK_DUT_COMPLETER_ABORT = 6 /* ATS_REQUEST: answered with Completer Abort               */
};

/* One operation and its answer: 40 bytes, little endian, the same in memory and as a frame.
 * The device writes `status`, and `value` and `pa` where they answer; the other members are as
 * they were asked when run() returns. Never changes. */
struct iommucheck_dut_op {
  uint8_t kind;
  uint8_t bytes;      /* READ, WRITE: 4 or 8. DMA: 4. STORE, FILL, LOAD: 8                       */
  uint8_t attributes; /* DMA: IOMMUCHECK_DUT_IS_*, else 0                                         */
  uint8_t status;     /* answer: IOMMUCHECK_DUT_DONE and the others                               */
  uint32_t where;     /* READ, WRITE: offset from the SMMU's base, a multiple of `bytes`, below
                         mmio_bytes; page 1 begins at 0x10000. DMA: the StreamID. FILL: words     */
  uint32_t ssid;      /* DMA with HAS_SUBSTREAM: the SubstreamID, below 2^20; else 0              */
  uint32_t reserved;  /* 0 */
  uint64_t address;   /* DMA: input address, a multiple of 4. Memory: physical, a multiple of 8   */
  uint64_t value;     /* WRITE, STORE, FILL, a DMA that writes: what is written. READ, LOAD, a DMA
                         that reads: the answer; bits from 8 * `bytes` on are 0                   */
  uint64_t pa;        /* answer of a DMA with status DONE, if the device says GIVES_PA: the physical
                         address that it went to, below 2^52                                      */
};

/* ---------------------------------------------------------------------------------------------
 * 2. What the device is given
 * ------------------------------------------------------------------------------------------- */

/* Lines of interrupt(): IOMMUCHECK_IRQ_* of words.h. Levels: */
#define IOMMUCHECK_DUT_LOW 0u
#define IOMMUCHECK_DUT_HIGH 1u
#define IOMMUCHECK_DUT_EDGE 2u /* one pulse */

/* Valid until close returns. No function is NULL. */
struct iommucheck_dut_host {
  uint32_t size;
  uint32_t abi;
  void* ctx; /* first argument of every function below */

  /* An access of the SMMU (or of a DMA engine that moves data) to physical memory, 1 to 65536
   * bytes. 0: done. Not 0: an EXTERNAL ABORT, nothing was read or written; it is for the SMMU to
   * report (F_STE_FETCH, F_CD_FETCH, F_WALK_EABT, CERROR_ABT, EVENTQ_ABT_ERR). Every access that
   * does not lie in the memory whole aborts. Bytes are in the order of memory, so words of tables
   * are little endian. */
  int32_t (*read)(void* ctx, uint64_t pa, void* to, uint64_t bytes);
  int32_t (*write)(void* ctx, uint64_t pa, const void* from, uint64_t bytes);

  /* A wired interrupt changed. Not an MSI: that is a write() of four bytes. A line or level that
   * does not exist is a finding. It counts as one interrupt when it becomes HIGH, or with EDGE;
   * what it tells of can be read by then, in registers and memory (IHI 0070 3.18). */
  void (*interrupt)(void* ctx, uint32_t line, uint32_t level);

  /* Where memory is, for a device that holds it itself. Others need not know. */
  uint64_t memory_pa;
  uint64_t memory_bytes;

  /* All choices of the device come from it: with the same seed and operations it gives the same
   * answers. */
  uint64_t seed;

  /* CMD_ATC_INV sends an invalidation to an endpoint: what its request on the bus says.
   * `attributes`: IOMMUCHECK_DUT_HAS_SUBSTREAM, if it has a PASID, and IOMMUCHECK_DUT_IS_GLOBAL.
   * `address` is a multiple of `bytes`, a power of two from 4096 on; 0, 0: everything. ATC_DONE
   * brings the tag back; two that are not done have different tags. For devices that say
   * IOMMUCHECK_DUT_ATS; absent (or NULL) in a host of version 0, whose tester asks for no ATS. */
  void (*atc_invalidate)(void* ctx, uint32_t sid, uint32_t attributes, uint32_t ssid, uint32_t tag,
                         uint64_t address, uint64_t bytes);

  /* The SMMU sends an endpoint a PRG Response Message: by CMD_PRI_RESP, or by itself for a page
   * request that it does not record (IHI 0070 8.1, 8.2). `attributes`:
   * IOMMUCHECK_DUT_HAS_SUBSTREAM, if it has a PASID; `prg_index` is below 512, `code` is the
   * ResponseCode: 0 Success, 1 Invalid Request, 15 Response Failure. For devices that say
   * IOMMUCHECK_DUT_PRI. */
  void (*page_response)(void* ctx, uint32_t sid, uint32_t attributes, uint32_t ssid,
                        uint32_t prg_index, uint32_t code);

  /* The SMMU of its host, for devices that say IOMMUCHECK_DUT_DELEGATES; absent (or NULL) in older
   * hosts, which know no such device. Called from inside of reset and run. What is none of what is
   * said here is a finding.
   *
   * What it does from now on with what the stream sends: `how` is IOMMUCHECK_DUT_INSTALL_*. `words`
   * are the eight words of an STE, or NULL without one. Nothing of the stream's STE and CDs before
   * is cached any more when it returns; translations are, until they are invalidated. After a reset
   * every stream has INSTALL_ABORT. */
  void (*install)(void* ctx, uint32_t sid, uint32_t how, const uint64_t* words);
  /* Invalidations, two words each as a command queue has them, 1 to IOMMUCHECK_DUT_INVALIDATE_MAX
   * of them: CMD_TLBI_NH_ALL, _NH_ASID, _NH_VA, _NH_VAA, CMD_TLBI_NSNH_ALL, CMD_CFGI_CD, _CD_ALL
   * with a StreamID of its own, and with IDR0.ATS = 1 CMD_ATC_INV. They are complete when it
   * returns. */
  void (*invalidate)(void* ctx, const uint64_t* commands, uint32_t count);
};
#define IOMMUCHECK_DUT_HOST_SIZE_VER0 64u
#define IOMMUCHECK_DUT_IS_GLOBAL 0x20u

/* install(): what becomes of the accesses of a stream. */
enum {
  /* What an SMMU makes of that STE, but for CONT, which the host leaves out. One that is not legal,
   * or has V = 0, is C_BAD_STE, which the host's SMMU records. */
  IOMMUCHECK_DUT_INSTALL_STE = 1,
  IOMMUCHECK_DUT_INSTALL_BYPASS = 2, /* as with SMMUEN = 0 and GBPA.ABORT = 0: no record at all */
  IOMMUCHECK_DUT_INSTALL_ABORT = 3   /* terminated, without a record */
};
#define IOMMUCHECK_DUT_INVALIDATE_MAX 4096u

/* ---------------------------------------------------------------------------------------------
 * 3. What the device offers
 * ------------------------------------------------------------------------------------------- */

/* iommucheck_dut_info.flags */

/* A read of a register shows everything that earlier writes caused (a model that does its work
 * inside of run): CR0ACK is read once, and without it up to eight times, "in finite time". */
#define IOMMUCHECK_DUT_PROMPT 0x1u
/* `pa` is right for every DMA that passes, and no DMA moves data: the device is a translator, and
 * every access is compared wherever it went. Without it the device moves the four bytes of a DMA
 * itself, by read() or write() of its host; the tester sees where they went by what they are, in
 * the part of memory that leaves usually lead to, and nowhere else. */
#define IOMMUCHECK_DUT_GIVES_PA 0x2u
/* The device brings memory_bytes of memory at memory_pa, all 0 after open and at each reset, and
 * is told of every store. For models that follow memory by themselves, and for simulators that
 * have memory of their own. Only together with GIVES_PA. */
#define IOMMUCHECK_DUT_HOLDS_MEMORY 0x4u
/* SAVE_RESTORE is there: a restored device behaves as one that never stopped. */
#define IOMMUCHECK_DUT_SAVES 0x8u
/* What its engines can send besides unprivileged reads and writes of data without a SubstreamID. */
#define IOMMUCHECK_DUT_SENDS_PRIVILEGED 0x10u
#define IOMMUCHECK_DUT_SENDS_INSTRUCTIONS 0x20u
#define IOMMUCHECK_DUT_SENDS_SUBSTREAMS 0x40u
/* Each of its interrupts is on a wire, and interrupt() is called for it: one that has to come and
 * does not is a finding. Without it none is missed; one that may not come is a finding always. */
#define IOMMUCHECK_DUT_WIRES_INTERRUPTS 0x80u
/* Its engines are endpoints with ATS (IDR0.ATS = 1): ATS_REQUEST, DMA with IS_TRANSLATED, and
 * atc_invalidate() for each CMD_ATC_INV. A tester that does not know this bit refuses it. */
#define IOMMUCHECK_DUT_ATS 0x100u
/* It translates nothing: a VMM over iommufd, an accelerated emulation. It has registers and queues,
 * hands its guest's configuration and invalidations to the SMMU of its host by install() and
 * invalidate(), and is given the records of that by RECORD_EVENT, of which it makes those of the
 * guest. DMA goes to the host's SMMU at once, and is not asked of the device. That SMMU is the
 * tester's: the specification, with the device's ID registers and any caches that are legal. The
 * guest's memory is the host's, at the same addresses, and so are StreamIDs.
 * GIVES_PA is meant by it; not together with HOLDS_MEMORY, ATS or PRI. IDR0.STALL_MODEL is 1 (no
 * stalls). A tester that does not know this bit refuses it. */
#define IOMMUCHECK_DUT_DELEGATES 0x200u
/* Its engines send page requests (IDR0.PRI = 1): PAGE_REQUEST, and page_response() for each answer
 * to one. A tester that does not know this bit refuses it. */
#define IOMMUCHECK_DUT_PRI 0x400u

#define IOMMUCHECK_DUT_SIDS_MAX 16u
#define IOMMUCHECK_DUT_SID_END 1024u

/* The device fills it in open(); the tester has set size and abi, and the rest to 0. */
struct iommucheck_dut_info {
  uint32_t size;
  uint32_t abi;
  uint32_t flags; /* IOMMUCHECK_DUT_*; a bit that this version does not know is refused        */
  uint32_t sid_count; /* 2 to IOMMUCHECK_DUT_SIDS_MAX: StreamIDs that its engines have */
  uint32_t sids[16];  /* distinct, below SID_END, and of IDR1.SIDSIZE bits; the first two, and with
                         DELEGATES all, below 64. Give one of 64 or more, too: only those use
                         another entry of a first-level stream table than the first */
  char name[32];    /* of letters, digits and "._+-", not beginning with '.'; ends with NUL.     */
  char release[32]; /* likewise: "1.0". Both name the file of known divergences                  */
  uint64_t mmio_bytes; /* size of the register frame: 0x20000 at least */
  uint64_t iova_end; /* input addresses from here on cannot be sent; 0: all can                  */
};
#define IOMMUCHECK_DUT_INFO_SIZE_VER0 160u

struct iommucheck_dut {
  uint32_t size;
  uint32_t abi;

  /* A device as after power on. Returns what is handed to the functions below, or NULL if there is
   * none (a text on stderr says why). Called once in a process. */
  void* (*open)(const struct iommucheck_dut_host* host, struct iommucheck_dut_info* info);

  /* Back to the state after open: registers as after a reset with CR0, the queues' indices,
   * GERROR and GERRORN 0; nothing cached; no stalled access; choices from the seed anew. Before
   * every case. Returns 0; all else is a finding. */
  int32_t (*reset)(void* dut);

  /* Does `count` operations (1 to 4096) in their order and answers each in its place. Returns
   * `count`. Less: it came to an end of its own making (a panic, an assertion) at that operation;
   * last_words says why, and the process is ended. All else is nonsense, which is a finding. It has
   * a few seconds (--hang) for all of them. */
  int64_t (*run)(void* dut, struct iommucheck_dut_op* ops, uint64_t count);

  /* Why run or reset gave up; for the report. May be NULL, may return NULL. The text lives until
   * the next call. */
  const char* (*last_words)(void* dut);

  /* The end. May be NULL. Not called for a device that crashed or gave up. */
  void (*close)(void* dut);
};
/* Up to and with `run`. */
#define IOMMUCHECK_DUT_SIZE_VER0 32u

/* The one symbol of a device. Returns a constant struct that lives as long as the object does.
 * Called once after loading. */
const struct iommucheck_dut* iommucheck_device_entry(void);

typedef const struct iommucheck_dut* (*iommucheck_device_entry_fn)(void);
#define IOMMUCHECK_DEVICE_ENTRY_NAME "iommucheck_device_entry"

/* ---------------------------------------------------------------------------------------------
 * 4. Frames: the same over stdin and stdout, or a socket. docs/conform.md, "Frames"
 * ------------------------------------------------------------------------------------------- */

/* Each frame is a head of 8 bytes, `length` (u32, of what follows the head) and `type` (u32), and
 * `length` bytes, 262144 at most; little endian. */
#define IOMMUCHECK_FRAME_BYTES_MAX 0x40000u
enum {
  /* of the tester */
  IOMMUCHECK_FRAME_HELLO = 1,  /* iommucheck_frame_hello                                         */
  IOMMUCHECK_FRAME_RESET = 2,  /* nothing                                                        */
  IOMMUCHECK_FRAME_RUN = 3,    /* iommucheck_dut_op, as many as fit in `length`                   */
  IOMMUCHECK_FRAME_MEMORY = 4, /* u32: 0 or an external abort; u32: 0; for a read that was done the
                                  bytes                                                          */
  /* of the device */
  IOMMUCHECK_FRAME_INFO = 129,  /* iommucheck_dut_info, after HELLO                              */
  IOMMUCHECK_FRAME_READY = 130, /* nothing, after RESET                                          */
  IOMMUCHECK_FRAME_DONE = 131,  /* the operations of RUN, answered                               */
  IOMMUCHECK_FRAME_READ = 132,  /* u64 pa, u32 bytes, u32 0; MEMORY answers                      */
  IOMMUCHECK_FRAME_WRITE = 133, /* u64 pa, u32 bytes, u32 0, the bytes; MEMORY answers           */
  IOMMUCHECK_FRAME_INTERRUPT = 134, /* u32 line, u32 level; nothing answers                       */
  IOMMUCHECK_FRAME_LAST_WORDS = 135, /* a text: the device came to an end                         */
  IOMMUCHECK_FRAME_ATC_INVALIDATE = 136, /* u32 sid, attributes, ssid, tag; u64 address, bytes;
                                          nothing answers                                         */
  IOMMUCHECK_FRAME_INSTALL = 137, /* u32 sid, how; u64 words[8], 0 without an STE; nothing answers,
                                     what comes later finds it done                             */
  IOMMUCHECK_FRAME_INVALIDATE = 138,   /* u32 count, u32 0; count times u64 words[2]; likewise   */
  IOMMUCHECK_FRAME_PAGE_RESPONSE = 139 /* u32 sid, attributes, ssid, prg_index, code, 0;
                                         nothing answers                                          */
};

/* Never changes: `abi` says what follows it. */
struct iommucheck_frame_hello {
  uint32_t abi;      /* IOMMUCHECK_DUT_ABI */
  uint32_t reserved; /* 0 */
  uint64_t memory_pa;
  uint64_t memory_bytes;
  uint64_t seed;
};

#ifdef __cplusplus
}
#endif

#endif
