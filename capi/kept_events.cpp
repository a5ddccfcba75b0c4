// SPDX-License-Identifier: MIT
#include "capi/kept_events.h"

#include <algorithm>

#include "trace/codec.h"

namespace iommucheck::oracle {

namespace {
constexpr std::size_t block_bytes = std::size_t{1} << 16;
}

void KeptEvents::keep(u64 most) {
  most_ = most;
  drop();
}

void KeptEvents::add(const trace::Event& event) {
  ++came_;
  if (most_ == 0) return;
  if (blocks_.empty() || blocks_.back().bytes.size() >= block_bytes) blocks_.emplace_back();
  trace::encode(event, blocks_.back().bytes);
  ++blocks_.back().events;
  ++in_blocks_;
  ++kept_;
  drop();
}

void KeptEvents::drop() {
  kept_ = std::min(kept_, most_);
  while (!blocks_.empty() && in_blocks_ - blocks_.front().events >= kept_) {
    in_blocks_ -= blocks_.front().events;
    blocks_.pop_front();
  }
}

Expected<void> KeptEvents::for_each(
    const std::function<Expected<void>(const trace::Event&)>& visit) const {
  u64 skip = in_blocks_ - kept_;
  for (const Block& block : blocks_) {
    trace::ByteReader in{.bytes = block.bytes, .offset = 0};
    for (u64 i = 0; i < block.events; ++i) {
      const auto event = trace::decode(in);
      if (!event) return std::unexpected(event.error());
      if (skip != 0) {
        --skip;
        continue;
      }
      if (auto done = visit(*event); !done) return done;
    }
  }
  return {};
}

}  // namespace iommucheck::oracle
