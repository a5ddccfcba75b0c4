# SPDX-License-Identifier: MIT
# cmake -DOUTPUT=FILE.cpp -DROOT=DIR "-DFILES=a;b" -P embed_files.cmake
# Text files as constants of the program, so that it needs no source tree: cli/embedded.h.
set(text "// Made by cmake/embed_files.cmake.\n#include \"cli/embedded.h\"\n\nnamespace iommucheck::cli {\n\n")
string(APPEND text "std::vector<EmbeddedFile> embedded_files() {\n  return {\n")
foreach(file IN LISTS FILES)
  file(RELATIVE_PATH name "${ROOT}" "${file}")
  file(READ "${file}" content)
  string(APPEND text "      {\"${name}\", R\"embedded(${content})embedded\"},\n")
endforeach()
string(APPEND text "  };\n}\n\n}  // namespace iommucheck::cli\n")
file(WRITE "${OUTPUT}" "${text}")
