# SPDX-License-Identifier: MIT
# Several files of a target compiled as one. From nothing that takes a third of the time, since what headers
# bring is compiled once for all of them; after a change of one file it takes longer. So it is for builds that
# start from nothing (./dev test), and not for work. Two files with the same name in an unnamed namespace do
# not build that way: the name then says too little.
option(IOMMUCHECK_UNITY "Compile several files of a target as one" OFF)
set(IOMMUCHECK_UNITY_FILES 16 CACHE STRING "How many files at most")

# iommucheck_unity(TARGET): what is wanted for TARGET, where it is wanted at all.
function(iommucheck_unity target)
  if(IOMMUCHECK_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${IOMMUCHECK_UNITY_FILES})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # g++ takes a .cpp that is included for a header, whose types other files could see.
      target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
    endif()
  endif()
endfunction()
