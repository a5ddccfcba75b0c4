# SPDX-License-Identifier: MIT
# find_package(iommucheck): iommucheck::iommucheck_monitor, iommucheck::iommucheck_driver, and iommucheck_add_fuzzer()
# with iommucheck::fuzz_driver, if that was installed.
include("${CMAKE_CURRENT_LIST_DIR}/iommucheck-targets.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/IommucheckFuzzer.cmake")
find_program(IOMMUCHECK_FUZZ_DRIVER fuzz_driver NO_DEFAULT_PATH NO_CACHE
             PATHS "${CMAKE_CURRENT_LIST_DIR}/../../../libexec/iommucheck"
                   "${CMAKE_CURRENT_LIST_DIR}/../../../../libexec/iommucheck")
if(IOMMUCHECK_FUZZ_DRIVER AND NOT TARGET iommucheck::fuzz_driver)
  add_executable(iommucheck::fuzz_driver IMPORTED)
  set_target_properties(iommucheck::fuzz_driver PROPERTIES IMPORTED_LOCATION "${IOMMUCHECK_FUZZ_DRIVER}")
endif()
