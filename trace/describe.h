// SPDX-License-Identifier: MIT
// No include guard: included before a .def to make its for_each_field overloads, and ended by
// describe_end.h.
#define TRACE_FIELD(Type, name, text) visit(FieldInfo{#name, #Type, text, false}, self.name);
#define TRACE_FACT(Type, name, text) visit(FieldInfo{#name, #Type, text, true}, self.name);
#define TRACE_DESCRIBE(Type, ...)                                                              \
  template <class Self, class Visit>                                                           \
    requires std::is_same_v<std::remove_const_t<Self>, Type>                                   \
  constexpr void for_each_field([[maybe_unused]] Self& self, [[maybe_unused]] Visit&& visit) { \
    __VA_ARGS__                                                                                \
  }
