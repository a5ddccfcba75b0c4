/* SPDX-License-Identifier: MIT
 *
 * iommucheck/monitor.h - the door for those who own their loop: tests, simulators, test benches.
 *
 * A monitor is given events (stores to table memory, register accesses, commands consumed, accesses
 * of devices with their outcomes, calls of the driver's interface) and says whether what happened
 * is allowed, who is at fault, and why. It simulates nothing, calls nothing back, and owns no
 * thread.
 *
 *     struct iommucheck_monitor* m = iommucheck_monitor_open(profile);
 *     struct iommucheck_event_store store = {
 *         .head = {sizeof store, IOMMUCHECK_MONITOR_ABI, IOMMUCHECK_EVENT_STORE, IOMMUCHECK_CPU(0),
 *                  IOMMUCHECK_STORE_VALUE, 0},
 *         .pa = pa, .size = 8, .value = value};
 *     iommucheck_monitor_report(m, &store.head);
 *     ...
 *     iommucheck_monitor_finish(m);
 *     if (iommucheck_monitor_verdict(m) != IOMMUCHECK_VERDICT_OK) ...findings...
 *     iommucheck_monitor_close(m);
 *
 * monitor_report.h has a function for each event, docs/monitor.md a complete example in C and the
 * declarations for SystemVerilog and Rust.
 *
 * Rules that hold for the whole file
 *  - C99 and C++, 64-bit ABIs. Link libiommucheck_monitor.
 *  - Every struct begins with its `size` in bytes and the `abi` of its writer, and grows at its
 * end. The library writes no more than `size` bytes of a struct that it fills, and zeros where it
 *    knows less; below IOMMUCHECK_<STRUCT>_SIZE_VER0, the size of the first version, it refuses.
 *    `abi` changes when a member changes its place or meaning, never because one is added; a
 *    struct of another `abi` is refused. docs/monitor.md, "Versions".
 *  - Functions that can fail return a negative errno value (IOMMUCHECK_E*); what was wrong is then
 *    in iommucheck_monitor_last_error(). Nothing was changed, and the monitor goes on.
 *  - A fact that you do not know is left out, never made up: `known` has one bit for each member
 *    that may be absent, and a member without its bit is not looked at. The monitor tries all that
 *    an absent fact may have been; where that decides, the verdict is "undetermined".
 *  - Monitors share nothing. One monitor is used by one thread at a time.
 *  - Texts are UTF-8, end with a NUL byte and belong to the monitor: those of findings until it is
 *    closed, the others until its next call.
 *  - No input brings the process down, apart from pointers that do not point.
 */
#ifndef IOMMUCHECK_MONITOR_H
#define IOMMUCHECK_MONITOR_H

#include <stdint.h>

#include "iommucheck/words.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IOMMUCHECK_MONITOR_ABI 2u

/* Pointers are members of 8 bytes here. */
typedef char iommucheck_monitor_needs_64_bits[sizeof(void*) == 8 ? 1 : -1];

/* What functions return, negated: of words.h
 *   ENOENT  no finding, cause, line, rule with that number
 *   EIO     a file cannot be read or written
 *   ENOMEM  memory is short
 *   EINVAL  NULL, an argument that nothing can have
 *   ENOSPC  a buffer is too small
 * and */
enum {
  IOMMUCHECK_EPIPE = 32 /* after iommucheck_monitor_finish, or a failure inside */
};

/* Of one event, or of all so far: the first of violation, gave up, undetermined that holds.
 * GAVE_UP: a stated bound of the specification was hit; what follows is not judged fully. */
enum iommucheck_verdict {
  IOMMUCHECK_VERDICT_OK = 0,
  IOMMUCHECK_VERDICT_VIOLATION = 1,
  IOMMUCHECK_VERDICT_UNDETERMINED = 2,
  IOMMUCHECK_VERDICT_GAVE_UP = 3
};

struct iommucheck_monitor;

/* ---- life --------------------------------------------------------------------------------- */

/* The library's IOMMUCHECK_MONITOR_ABI. */
uint32_t iommucheck_monitor_abi(void);

/* `profile` is JSON: the header object of a trace (docs/trace-format.md), with
 *   "iommucheck-trace": 1, "versions": {}   what made it
 *   "id_registers": {"IDR0": "0x…", …}      IDR0, IDR1 and IDR5 at least; absent ones are 0
 *   "devices": [{"device": "0x0", "sids": ["0x10"]}, …]
 *   "not_reported": ["Call", …]             events that happen but that you cannot report
 * and whatever else a header may have. If "Call" is not reported, it is judged as a recording
 * below the interface, and if "Barrier" is not, stores count as visible at once.
 * NULL on an error; the text is iommucheck_monitor_last_error(NULL). */
struct iommucheck_monitor* iommucheck_monitor_open(const char* profile);

/* The same from a file (plain, .gz or .zst): a header over several lines, or the first line of a
 * trace, whose events are not read. */
struct iommucheck_monitor* iommucheck_monitor_open_file(const char* path);

/* NULL: nothing happens. */
void iommucheck_monitor_close(struct iommucheck_monitor* monitor);

/* What was wrong with the last call on this monitor that failed, "" if none did. With NULL: with
 * the last call of this thread that had no monitor. Never NULL. */
const char* iommucheck_monitor_last_error(const struct iommucheck_monitor* monitor);

/* ---- events: the struct of each in monitor_events.h ---------------------------------------- */

/* Agents: who did it. */
#define IOMMUCHECK_CPU(n) ((uint32_t)(n) & 0x3fffu)                /* a CPU or thread       */
#define IOMMUCHECK_SMMU(n) (0x4000u | ((uint32_t)(n) & 0x3fffu))   /* an SMMU               */
#define IOMMUCHECK_DEVICE(n) (0x8000u | ((uint32_t)(n) & 0x3fffu)) /* as in "devices"       */
#define IOMMUCHECK_SOME 0x3fffu /* for n: some CPU, some device; it is not known which       */
#define IOMMUCHECK_ENVIRONMENT 0xc000u /* the system outside of driver, SMMU and devices      */
#define IOMMUCHECK_GUEST 0xc001u
#define IOMMUCHECK_USER 0xc002u
#define IOMMUCHECK_GPU 0xc003u

/* The beginning of every event's struct. */
struct iommucheck_event {
  uint32_t size;   /* of the event's whole struct */
  uint32_t abi;    /* IOMMUCHECK_MONITOR_ABI */
  uint32_t kind;   /* IOMMUCHECK_EVENT_* */
  uint32_t agent;  /* who did it */
  uint64_t known;  /* which facts are there: IOMMUCHECK_<event>_<fact> */
  uint64_t origin; /* number of the event where you count them, with IOMMUCHECK_KNOWN_ORIGIN */
};
#define IOMMUCHECK_EVENT_SIZE_VER0 32u
#define IOMMUCHECK_KNOWN_ORIGIN (1ull << 63)

/* The beginning of every call's arguments, to which the event `Call` points. */
struct iommucheck_arguments {
  uint32_t size;  /* of the call's whole struct */
  uint32_t abi;   /* IOMMUCHECK_MONITOR_ABI */
  uint64_t known; /* which facts are there: IOMMUCHECK_CALL_<call>_<fact> */
};
#define IOMMUCHECK_ARGUMENTS_SIZE_VER0 16u

/* Values of some members. Other words are the enums of monitor_events.h; a bool is 0 or 1. */
#define IOMMUCHECK_NO_SUBSTREAM (~0ull) /* a Substream (PASID) that is known not to be there  */
#define IOMMUCHECK_RIGHT_READ 1u        /* Rights: the sum of those granted                   */
#define IOMMUCHECK_RIGHT_WRITE 2u
#define IOMMUCHECK_RIGHT_EXECUTE 4u

/* Takes the event. Returns its verdict (OK, VIOLATION, UNDETERMINED, or GAVE_UP where a bound was
 * hit by it), or, the event not taken: EINVAL (an unknown kind, word or bit of `known`, a number
 * out of range, a size that no access has, a NULL text or list), EPIPE, ENOMEM.
 * Where calls are not reported the event waits for the regions (Reach) that follow it, so that
 * the verdict is that of the event before; see iommucheck_monitor_flush. */
int iommucheck_monitor_report(struct iommucheck_monitor* monitor,
                              const struct iommucheck_event* event);

/* The same for one line of a trace, e.g.
 * {"event":"Store","agent":"cpu0","pa":"0x80003008","size":"0x8","value":"0x0"} */
int iommucheck_monitor_report_json(struct iommucheck_monitor* monitor, const char* line);

/* The same for events as bytes, as they come through a pipe or a ring: pieces of any size, an event
 * may be cut anywhere. The first violation, or what else is the worst verdict, of the events that
 * this piece completes. EINVAL at bytes that are no event: what stood before them was taken, and
 * the stream has ended; iommucheck_monitor_restart_bytes begins another. docs/trace-format.md,
 * "Bytes". */
int iommucheck_monitor_report_bytes(struct iommucheck_monitor* monitor, const void* bytes,
                                    uint64_t count);

/* Forgets an event of which a part has come, and an error of the stream. 0; EINVAL (NULL). */
int iommucheck_monitor_restart_bytes(struct iommucheck_monitor* monitor);

/* The bytes of an event for iommucheck_monitor_report_bytes: how many there are. ENOSPC: not as
 * many fit into `buffer`, which is as it was; EINVAL as iommucheck_monitor_report, with the reason
 * in iommucheck_monitor_last_error(NULL). */
int64_t iommucheck_monitor_encode(const struct iommucheck_event* event, void* buffer,
                                  uint64_t buffer_bytes);

/* Judges an event that still waits; no region follows it. Its verdict; OK if none waits. */
int iommucheck_monitor_flush(struct iommucheck_monitor* monitor);

/* Nothing follows: judges what can only be judged then (the whole address space once more; after
 * DriverPhase "stopping" that nothing is kept). The verdict of all. A second time it does no
 * more than answer; events are refused from here on (EPIPE). EINVAL, and nothing is done, while a
 * part of an event has come by iommucheck_monitor_report_bytes and its rest has not. */
int iommucheck_monitor_finish(struct iommucheck_monitor* monitor);

/* ---- verdict and evidence ------------------------------------------------------------------ */

/* Of everything so far: enum iommucheck_verdict. EINVAL (NULL). */
int iommucheck_monitor_verdict(const struct iommucheck_monitor* monitor);

struct iommucheck_summary {
  uint32_t size; /* set by the caller, as abi */
  uint32_t abi;
  uint64_t reported; /* events taken, notes among them                       */
  uint64_t judged;   /* of these; the next three are their sum               */
  uint64_t accepted;
  uint64_t flagged;      /* a violation was found at them                        */
  uint64_t undetermined; /* a fact is missing, see iommucheck_monitor_missing    */
  uint64_t findings;     /* kept with evidence: at most 1000                     */
  uint64_t gave_up;      /* 1: a bound was hit                                   */
};
#define IOMMUCHECK_SUMMARY_SIZE_VER0 64u
/* EINVAL: NULL, a size below that of the first version, another abi. */
int iommucheck_monitor_summary(struct iommucheck_monitor* monitor,
                               struct iommucheck_summary* summary);

/* A violation. Numbers of events are those by which texts name them: iommucheck_monitor_named has
 * the report of each. */
struct iommucheck_finding {
  uint32_t size; /* set by the caller, as abi */
  uint32_t abi;
  uint64_t report;       /* number of the report at which it was found, from 1; 0: none, or not
                          * kept any more. It is line `report` + 1 of the saved trace */
  uint64_t event;        /* the number by which texts name that event */
  const char* rule;      /* "PAGE_REUSE" */
  const char* family;    /* "page-reuse" */
  const char* party;     /* who is at fault: "driver", "smmu", "device", "caller", … */
  const char* section;   /* where the rule comes from */
  const char* rule_text; /* the rule in one sentence */
  const char* text;      /* what happened, in one sentence */
  uint32_t evidence;     /* lines of evidence, see iommucheck_monitor_evidence */
  uint32_t causes;       /* see iommucheck_monitor_cause */
  uint64_t named;        /* events that it names, see iommucheck_monitor_named */
  uint64_t known;        /* which of the members below are there: IOMMUCHECK_FINDING_<member> */
  uint64_t stream;
  uint64_t device;
  uint64_t pasid;
  uint64_t address; /* that the device sent */
  uint64_t during;  /* event with which the call in progress began */
};
#define IOMMUCHECK_FINDING_SIZE_VER0 136u
#define IOMMUCHECK_FINDING_STREAM (1ull << 0)
#define IOMMUCHECK_FINDING_DEVICE (1ull << 1)
#define IOMMUCHECK_FINDING_PASID (1ull << 2)
#define IOMMUCHECK_FINDING_ADDRESS (1ull << 3)
#define IOMMUCHECK_FINDING_DURING (1ull << 4)

/* How many there are; EINVAL. */
int iommucheck_monitor_findings(const struct iommucheck_monitor* monitor);
/* `index` from 0. ENOENT; EINVAL as iommucheck_monitor_summary. */
int iommucheck_monitor_finding(struct iommucheck_monitor* monitor, uint32_t index,
                               struct iommucheck_finding* finding);

/* One line: the chain of causes, the nearest miss, the events named. NULL if there is none. */
const char* iommucheck_monitor_evidence(struct iommucheck_monitor* monitor, uint32_t finding,
                                        uint32_t line);

/* One link of the chain that leads to what may happen: what hardware may use, where it was read,
 * what replaced it, and the invalidation that came nearest to removing it. */
struct iommucheck_cause {
  uint32_t size; /* set by the caller, as abi */
  uint32_t abi;
  const char* kind; /* "cached_translation", "cached_pointer", "atc_entry", …; docs/reports.md */
  const char* text; /* in one sentence */
  uint64_t known;   /* which of the numbers below are there: IOMMUCHECK_CAUSE_<member> */
  uint64_t pa;      /* where it was read */
  uint64_t value;   /* and what */
  uint64_t va;      /* the input address that it translates */
  uint64_t asid;
  uint64_t stream;       /* of a structure */
  uint64_t pasid;        /* of a structure */
  uint64_t stored_at;    /* event that replaced it in memory */
  uint64_t vanished_at;  /* event at which that was visible */
  const char* miss;      /* why the nearest miss missed: "not_covering", "too_early", …; "" if there
                          * is none */
  const char* miss_text; /* in one sentence; "" */
  uint64_t miss_at;      /* event that exposed that command */
  uint64_t command_low;  /* its words */
  uint64_t command_high;
};
#define IOMMUCHECK_CAUSE_SIZE_VER0 136u
#define IOMMUCHECK_CAUSE_PA (1ull << 0)
#define IOMMUCHECK_CAUSE_VALUE (1ull << 1)
#define IOMMUCHECK_CAUSE_VA (1ull << 2)
#define IOMMUCHECK_CAUSE_ASID (1ull << 3)
#define IOMMUCHECK_CAUSE_STREAM (1ull << 4)
#define IOMMUCHECK_CAUSE_PASID (1ull << 5)
#define IOMMUCHECK_CAUSE_STORED_AT (1ull << 6)
#define IOMMUCHECK_CAUSE_VANISHED_AT (1ull << 7)
#define IOMMUCHECK_CAUSE_MISS (1ull << 8) /* miss_at, command_low and command_high */
/* `index` from 0. ENOENT; EINVAL as iommucheck_monitor_summary. */
int iommucheck_monitor_cause(struct iommucheck_monitor* monitor, uint32_t finding, uint32_t index,
                             struct iommucheck_cause* cause);

/* An event that a finding names. */
struct iommucheck_named {
  uint32_t size; /* set by the caller, as abi */
  uint32_t abi;
  uint64_t event;   /* the number by which it is named */
  uint64_t report;  /* number of its report, from 1 */
  const char* text; /* "the driver stores 0x0 at 0x80005008" */
};
#define IOMMUCHECK_NAMED_SIZE_VER0 32u
/* `index` from 0, ascending. ENOENT; EINVAL as iommucheck_monitor_summary. */
int iommucheck_monitor_named(struct iommucheck_monitor* monitor, uint32_t finding, uint32_t index,
                             struct iommucheck_named* named);

/* The members of a finding one by one, for languages that cannot fill a C struct. NULL or 0 if
 * there is no such finding. */
enum iommucheck_finding_text {
  IOMMUCHECK_FINDING_RULE = 0,
  IOMMUCHECK_FINDING_FAMILY = 1,
  IOMMUCHECK_FINDING_PARTY = 2,
  IOMMUCHECK_FINDING_SECTION = 3,
  IOMMUCHECK_FINDING_RULE_TEXT = 4,
  IOMMUCHECK_FINDING_TEXT = 5,
  IOMMUCHECK_FINDING_ALL = 6, /* everything with its evidence, in lines */
  IOMMUCHECK_FINDING_JSON = 7 /* everything as one JSON object: docs/reports.md */
};
const char* iommucheck_monitor_finding_text(struct iommucheck_monitor* monitor, uint32_t finding,
                                            int what);
uint64_t iommucheck_monitor_finding_report(struct iommucheck_monitor* monitor, uint32_t finding);

/* Why events are undetermined or the monitor gave up: reasons from 0, each with the number of
 * events that it concerns in *events (may be NULL). NULL behind the last. */
const char* iommucheck_monitor_missing(struct iommucheck_monitor* monitor, uint32_t index,
                                       uint64_t* events);

/* Each rule that such events can say something of, from 0. */
enum iommucheck_rule_verdict {
  IOMMUCHECK_RULE_HOLDS = 0, /* kept, and it could have been broken */
  IOMMUCHECK_RULE_BROKEN = 1,
  IOMMUCHECK_RULE_NOT_CLAIMED = 2,
  IOMMUCHECK_RULE_NOT_EXERCISED = 3,
  IOMMUCHECK_RULE_UNDETERMINED = 4
};
struct iommucheck_rule {
  uint32_t size; /* set by the caller, as abi */
  uint32_t abi;
  uint32_t verdict; /* enum iommucheck_rule_verdict */
  uint32_t reserved;
  uint64_t kept;           /* times it was asked and held                */
  uint64_t discriminating; /* of these, times it could have been broken  */
  uint64_t broken;
  const char* rule;
  const char* why; /* of the last three verdicts; may be "" */
};
#define IOMMUCHECK_RULE_SIZE_VER0 56u
/* ENOENT behind the last; EINVAL as iommucheck_monitor_summary. */
int iommucheck_monitor_rule(struct iommucheck_monitor* monitor, uint32_t index,
                            struct iommucheck_rule* rule);

/* ---- files --------------------------------------------------------------------------------- */

/* How many events are kept for iommucheck_monitor_save, about 25 bytes each: the last `events`, all
 * if it is IOMMUCHECK_KEEP_ALL, as at first. With a number the monitor's memory does not grow with
 * the length of its life: findings are kept up to 1000, and the last 2^18 events for their evidence
 * in any case. More than are kept do not come back. 0; EINVAL (NULL). */
#define IOMMUCHECK_KEEP_ALL (~0ull)
int iommucheck_monitor_keep(struct iommucheck_monitor* monitor, uint64_t events);

/* The events that are kept as a trace, compressed by the name's end (.gz, .zst). If that is all of
 * them, `iommucheck replay` judges it again; else its header says how many are missing in front,
 * and it can be read, not judged. EIO, EINVAL (NULL, no event is kept). */
int iommucheck_monitor_save(struct iommucheck_monitor* monitor, const char* path);

/* Adds what each rule was asked since the last call to a rule-coverage file, made if there is
 * none: JSON, the sum of all runs; several processes may add to one file at a time.
 * {"iommucheck-rule-coverage": 1, "runs": 3,
 *  "rules": {"PAGE_REUSE": {"asked": 12, "discriminating": 4, "broken": 0}, …}}
 * EINVAL (the file is something else; it stays as it is), EIO. */
int iommucheck_monitor_add_coverage(struct iommucheck_monitor* monitor, const char* path);

/* A JUnit report, a test case for each rule; `name` of the suite, may be NULL. EINVAL, EIO. */
int iommucheck_monitor_save_junit(struct iommucheck_monitor* monitor, const char* path,
                                  const char* name);

#include "iommucheck/monitor_events.h"

#ifdef __cplusplus
}
#endif

#endif /* IOMMUCHECK_MONITOR_H */
