// SPDX-License-Identifier: MIT
// Under sanitizers the command looks for no leaks when it ends: tests start it a thousand times,
// each search is two fifths of a start, and the libraries that it is made of are searched in the
// tests' own programs.

#ifdef __has_feature
#if __has_feature(address_sanitizer)
// The name is the sanitizer's; it calls this before main.
extern "C" const char* __asan_default_options();   // NOLINT(*-reserved-identifier)
extern "C" const char* __asan_default_options() {  // NOLINT(*-reserved-identifier)
  return "detect_leaks=0";
}
#endif
#endif
