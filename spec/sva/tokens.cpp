// SPDX-License-Identifier: MIT
#include "spec/sva/tokens.h"

#include "spec/sva/spaces.h"
#include "spec/sva/walkers.h"

namespace iommucheck::spec::sva {

void release_token(InterfaceState& s, u32 index) {
  const Token token = s.tokens[index];
  s.forest.erase(s.token_at, token.handle, token.handle);
  s.forest.insert(s.freed_tokens, {.first = token.handle, .last = token.handle});
  if (token.space != 0) {
    forget_walkers(s, token.space);
    release_space(s, token.space);
  }
  s.tokens.edit(s.trail, index) = {};
  s.tokens.release(s.trail, index);
}

void bond_leaves_tokens(InterfaceState& s, u32 bond) {
  for (u32 i = 1; i < s.tokens.bound(); ++i) {
    if (s.tokens[i].handle != 0 && s.tokens[i].bond == bond) s.tokens.edit(s.trail, i).bond = 0;
  }
}

void drop_tokens_of(InterfaceState& s, u32 device) {
  for (u32 i = 1; i < s.tokens.bound(); ++i) {
    if (s.tokens[i].handle != 0 && s.tokens[i].device == device) release_token(s, i);
  }
}

}  // namespace iommucheck::spec::sva
