# What every target of ours is compiled with, and the four ways to declare one.

add_library(cairn_options INTERFACE)
target_compile_options(cairn_options INTERFACE
  -Wall -Wextra -Wshadow -Wno-missing-field-initializers -Werror=return-type -Werror=unused-result
  -fstack-protector-strong -fno-omit-frame-pointer -pthread $<$<CXX_COMPILER_ID:GNU>:-Werror=invalid-pch>)
# Packages say nothing of where they were built.
target_compile_options(cairn_options INTERFACE
  $<$<CONFIG:Release>:-ffile-prefix-map=${PROJECT_SOURCE_DIR}=.>)
target_include_directories(cairn_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
target_link_options(cairn_options INTERFACE LINKER:--as-needed LINKER:-z,relro,-z,now)
# Abseil and protobuf headers are not ours to warn about: they come in as SYSTEM.
if(CAIRN_SANITIZE)
  target_compile_options(cairn_options INTERFACE -fsanitize=${CAIRN_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(cairn_options INTERFACE -fsanitize=${CAIRN_SANITIZE})
else()
  target_compile_definitions(cairn_options INTERFACE $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(cairn_options INTERFACE -Wthread-safety -Werror=thread-safety)
endif()

# The standard library, Abseil, protobuf and GoogleTest take more time to read than all our code: they are
# read once, for libraries and for tests, which saves 40 % of a build. tools/lint reads each file without,
# and so checks that it includes what it uses.
add_library(cairn_headers OBJECT ${PROJECT_SOURCE_DIR}/cmake/headers.cc)
target_precompile_headers(cairn_headers PRIVATE ${PROJECT_SOURCE_DIR}/cmake/headers.h)
target_link_libraries(cairn_headers PRIVATE cairn_options)
if(BUILD_TESTING)
  add_executable(cairn_test_headers EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/cmake/headers.cc)
  target_precompile_headers(cairn_test_headers PRIVATE ${PROJECT_SOURCE_DIR}/cmake/headers.h <gtest/gtest.h> <gmock/gmock.h>)
  target_link_libraries(cairn_test_headers PRIVATE cairn_options GTest::gtest GTest::gmock)
endif()

# cairn_library(NAME SRCS ... DEPS ...): the one static library of a folder.
function(cairn_library name)
  cmake_parse_arguments(arg "" "" "SRCS;DEPS" ${ARGN})
  add_library(${name} STATIC ${arg_SRCS})
  target_link_libraries(${name} PUBLIC ${arg_DEPS} PRIVATE cairn_options)
  target_precompile_headers(${name} REUSE_FROM cairn_headers)
endfunction()

# cairn_program(NAME SRCS ... DEPS ...): an installed program.
function(cairn_program name)
  cmake_parse_arguments(arg "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${arg_SRCS})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} cairn_options)
  # Side by side, as they are when installed.
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endfunction()

# cairn_test(NAME LABELS unit SRCS ... DEPS ...): one binary; CTest gets one entry per test in it.
# SUITES ...: one entry per suite, whose tests share what is slow to set up, and one for the rest.
function(cairn_test name)
  cmake_parse_arguments(arg "" "TIMEOUT;FIXTURE" "LABELS;SRCS;DEPS;SUITES" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(CMAKE_CROSSCOMPILING)  # emulated
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 5")
  endif()
  add_executable(${name} ${arg_SRCS})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} cairn_options test_paths GTest::gtest GTest::gmock GTest::gtest_main)
  target_precompile_headers(${name} REUSE_FROM cairn_test_headers)
  set(locks "")
  if("root" IN_LIST arg_LABELS)
    set(locks kernel)   # kernel audit and BPF load are global: such tests run one at a time
  endif()
  if(arg_SUITES)
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/suite_main.cc)
    set(rest "-")
    foreach(suite ${arg_SUITES})
      add_test(NAME ${name}.${suite} COMMAND ${name} --gtest_filter=${suite}.*:*/${suite}.*)
      list(APPEND entries ${name}.${suite})
      string(APPEND rest "${suite}.*:*/${suite}.*:")
    endforeach()
    add_test(NAME ${name}.rest COMMAND ${name} --gtest_filter=${rest})
    set_tests_properties(${entries} ${name}.rest PROPERTIES LABELS "${arg_LABELS}"
      TIMEOUT ${arg_TIMEOUT} RESOURCE_LOCK "${locks}" SKIP_RETURN_CODE 77)
    return()
  endif()
  # Discovery drops empty values: only properties that have one are named.
  set(properties LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT} SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
  if(locks)
    list(APPEND properties RESOURCE_LOCK "${locks}")
  endif()
  if(arg_FIXTURE)
    list(APPEND properties FIXTURES_REQUIRED "${arg_FIXTURE}")
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES ${properties})
endfunction()

# cairn_fuzz(NAME SRCS ... DEPS ...): a libFuzzer target of the preset fuzz; seeds in tests/fuzz/seeds/NAME/.
# Every other build has NAME_replay in its place, a unit test that runs the seeds.
function(cairn_fuzz name)
  cmake_parse_arguments(arg "" "" "SRCS;DEPS" ${ARGN})
  if(CAIRN_FUZZ)
    add_executable(${name} ${arg_SRCS})
    target_link_libraries(${name} PRIVATE ${arg_DEPS} cairn_options)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    return()
  endif()
  add_executable(${name}_replay ${arg_SRCS} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.cc)
  target_link_libraries(${name}_replay PRIVATE ${arg_DEPS} cairn_options)
  add_test(NAME Fuzz.${name} COMMAND ${name}_replay ${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/seeds/${name})
  set_tests_properties(Fuzz.${name} PROPERTIES LABELS unit TIMEOUT 120 ENVIRONMENT TMPDIR=${CMAKE_CURRENT_BINARY_DIR})
endfunction()
