// SPDX-License-Identifier: MIT
// No include guard: see describe.h.
#undef TRACE_FIELD
#undef TRACE_FACT
#undef TRACE_DESCRIBE
