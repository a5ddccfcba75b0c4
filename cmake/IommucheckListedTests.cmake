# SPDX-License-Identifier: MIT
# `./dev test` runs some tests in one build and the rest in another (tests/without_sanitizers.list): each compiles only
# the files of which it runs something. That each pattern of the list names a test is held by
# tests/without_sanitizers_test.sh.
set(IOMMUCHECK_TESTS_OF "all" CACHE STRING
  "Which files of tests are compiled: all, listed (of which tests/without_sanitizers.list names a test), others (of \
which it does not name each)")
set_property(CACHE IOMMUCHECK_TESTS_OF PROPERTY STRINGS all listed others)
if(NOT IOMMUCHECK_TESTS_OF MATCHES "^(all|listed|others)$")
  message(FATAL_ERROR "IOMMUCHECK_TESTS_OF is ${IOMMUCHECK_TESTS_OF}: it is all, listed or others")
endif()

# iommucheck_listed_patterns(SUITES TESTS LIST): what stands in the source for the patterns of the list, joined by "|".
# SUITES: a file that has none of them has nothing of the list. TESTS: a test, said in one line, that has one of them is
# in the list.
function(iommucheck_listed_patterns suites tests list)
  file(STRINGS "${list}" patterns REGEX "^[^#]")
  set(its_suites "")
  set(its_tests "")
  foreach(pattern IN LISTS patterns)
    if(pattern MATCHES "^([A-Za-z0-9_]+)/[*]$")
      list(APPEND its_suites "SUITE_P[(]${CMAKE_MATCH_1},")
    elseif(pattern MATCHES "^([A-Za-z0-9_]+/)?([A-Za-z0-9_]+)([*]?)([.](.*))?$")
      list(APPEND its_suites "[(]${CMAKE_MATCH_2}[A-Za-z0-9_]*,")
      set(suite "[(]${CMAKE_MATCH_2}")
      if(CMAKE_MATCH_3)
        string(APPEND suite "[A-Za-z0-9_]*")
      endif()
      set(name "${CMAKE_MATCH_5}")
      if(name MATCHES "^([A-Za-z0-9_]*)[*]$")
        list(APPEND its_tests "${suite}, ${CMAKE_MATCH_1}")
      elseif(name MATCHES "^[A-Za-z0-9_]+$")
        list(APPEND its_tests "${suite}, ${name}[,)]")
      endif()
    else()
      message(FATAL_ERROR "${list}: ${pattern} is no pattern of a shape that is known here")
    endif()
  endforeach()
  foreach(name IN ITEMS suites tests)
    list(REMOVE_DUPLICATES its_${name})
    list(JOIN its_${name} "|" joined)
    set(${${name}} "${joined}" PARENT_SCOPE)
  endforeach()
endfunction()

# iommucheck_tests_of(RESULT WHICH LIST SOURCE...): the files of which WHICH (listed or others) runs something, and
# what other tests stand on (*_support.cpp). A test of which the pattern cannot be told is one of the others.
function(iommucheck_tests_of result which list)
  iommucheck_listed_patterns(suites tests "${list}")
  set(taken "")
  foreach(source IN LISTS ARGN)
    file(READ "${source}" text)
    if(source MATCHES "_support\\.cpp$")
      set(runs TRUE)
    elseif(which STREQUAL "listed")
      string(REGEX MATCH "${suites}" runs "${text}")
    else()
      string(REGEX MATCHALL "\n(TEST|TEST_F|TEST_P|RC_GTEST_PROP|RC_GTEST_FIXTURE_PROP|TYPED_TEST)[(][^)]*[,)]" all "${text}")
      list(FILTER all EXCLUDE REGEX "${tests}")
      set(runs "${all}")
    endif()
    if(NOT "${runs}" STREQUAL "")
      list(APPEND taken "${source}")
    endif()
  endforeach()
  set(${result} ${taken} PARENT_SCOPE)
endfunction()
