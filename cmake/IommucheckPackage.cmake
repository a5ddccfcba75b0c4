# SPDX-License-Identifier: MIT
# Packages of what is installed: a .deb for Debian 12 and a tarball that runs wherever it is unpacked.
# `./dev package` builds what they need (all of the tree is not) and makes both.
include(GNUInstallDirs)

# `iommucheck linux` builds by these, wherever they lie: the scripts, and what they compile.
install(DIRECTORY "${PROJECT_SOURCE_DIR}/examples/drivers/linux" DESTINATION share/iommucheck/examples/drivers
        COMPONENT command USE_SOURCE_PERMISSIONS)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/examples/kernel_shim" DESTINATION share/iommucheck/examples
        COMPONENT command FILES_MATCHING PATTERN "*.[ch]")
install(FILES "${PROJECT_SOURCE_DIR}/include/iommucheck/driver.h" "${PROJECT_SOURCE_DIR}/include/iommucheck/hooks.h"
              "${PROJECT_SOURCE_DIR}/include/iommucheck/words.h"
        DESTINATION share/iommucheck/include/iommucheck COMPONENT command)
# What a package of Debian has to have beside that.
set(extras "${CMAKE_BINARY_DIR}/package")
set(templates "${CMAKE_CURRENT_LIST_DIR}/package")
file(MAKE_DIRECTORY "${extras}")
file(READ "${PROJECT_SOURCE_DIR}/LICENSE" iommucheck_license)
configure_file("${templates}/copyright.in" "${extras}/copyright" @ONLY)
configure_file("${templates}/changelog.in" "${extras}/changelog" @ONLY)
configure_file("${templates}/iommucheck.1.in" "${extras}/iommucheck.1" @ONLY)
configure_file("${PROJECT_SOURCE_DIR}/CHANGELOG.md" "${extras}/CHANGELOG.md" COPYONLY)
install(FILES "${extras}/copyright" DESTINATION share/doc/iommucheck COMPONENT command)
install(FILES "${templates}/lintian-overrides" DESTINATION share/lintian/overrides RENAME iommucheck COMPONENT command)
find_program(iommucheck_gzip gzip)
# Who has the package alone has its pages too; README's links lead to them.
install(FILES "${PROJECT_SOURCE_DIR}/README.md" "${PROJECT_SOURCE_DIR}/CONTRIBUTING.md"
        DESTINATION share/doc/iommucheck COMPONENT command)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/docs" DESTINATION share/doc/iommucheck COMPONENT command
        FILES_MATCHING PATTERN "*.md" PATTERN "*.json")
if(iommucheck_gzip)
  foreach(file IN ITEMS changelog CHANGELOG.md iommucheck.1)
    execute_process(COMMAND "${iommucheck_gzip}" -9nc "${extras}/${file}" OUTPUT_FILE "${extras}/${file}.gz")
  endforeach()
  install(FILES "${extras}/changelog.gz" "${extras}/CHANGELOG.md.gz" DESTINATION share/doc/iommucheck COMPONENT command)
  install(FILES "${extras}/iommucheck.1.gz" DESTINATION share/man/man1 COMPONENT command)
endif()

# What is built says `./dev package`.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY TRUE)
set(CPACK_PACKAGE_NAME iommucheck)
set(CPACK_PACKAGE_VENDOR iommucheck)
set(CPACK_PACKAGE_CONTACT "iommucheck maintainers <maintainers@iommucheck.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "executable specification of the IOMMU, and checker built on it")
set(CPACK_GENERATOR "DEB;TGZ")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA "${templates}/triggers")
# cc; linux; conform --device qemu.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "clang-19")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "lld-19, llvm-19, make, flex, bison, bc, qemu-system-arm")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "It checks drivers of the Arm SMMUv3 in lockstep with a specification of what
hardware may do, whatever it caches, and devices against the same.
A finding is the shortest sequence of calls, the rule that it breaks, who
is at fault, and the invalidation that nearly did the job.")
set(CPACK_VERBATIM_VARIABLES ON)
include(CPack)
