// SPDX-License-Identifier: MIT
// What a subject has of what scenarios may ask for (needs.cpp). A backend's are its flags, a
// driver's those of its machine.
#pragma once

#include "base/types.h"

namespace iommucheck::oracle::stories {

struct Offers {
  bool smmuv3 = false;          ///< it is one
  bool pasid_0 = false;         ///< PASID 0 is a number like any other
  bool identity = false;        ///< an entry of a PASID may pass accesses as they are
  bool waits_alone = false;     ///< devices share an entry, and each waits or not
  bool holes = false;           ///< its caches hold that nothing is mapped
  bool shared_tables = false;   ///< the devices of a domain share its PASIDs
  bool own_tables = false;      ///< each device has PASIDs of its own
  bool stalls = false;          ///< accesses that fault wait
  bool page_requests = false;   ///< devices ask for pages
  bool ats = false;             ///< devices cache translations
  bool walkers = false;         ///< beside the IOMMU, of which somebody knows what they may meet
  bool request_groups = false;  ///< of more than one page
  bool no_page_sizes = false;   ///< a domain for whose page sizes there is no use
  bool dirty = false;           ///< writes set a bit
  bool several_iommus = false;
  bool any_numbers = false;      ///< of PASIDs, and of address bits: no register says them
  bool hooks = false;            ///< those of the backend can be taken away, and made to fail
  bool users = false;            ///< of stage 2 domains, with tables of their own
  bool users_pasids = false;     ///< PASID tables of their own too
  bool users_devices = false;    ///< commands of theirs about what a device has cached
  bool users_at_pasids = false;  ///< their tables at PASIDs of the host's
  bool users_events = false;     ///< what their devices meet is told them
  bool users_wait = false;       ///< and what they answer waits for them
  bool commands = false;         ///< are sent, so that it is known which CMD_SYNC is whose
  bool sticks = false;           ///< its queue may stick at one of several
};

}  // namespace iommucheck::oracle::stories
