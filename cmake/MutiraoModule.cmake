# mutirao_module(NAME USES module... [LINKS library...] [TEST_USES module...])
#
# One module = one folder src/NAME = one library = one namespace mutirao::NAME.
#   include/mutirao/NAME/*.h  what other modules may see
#   src/**.cc                 the implementation; a large module has a folder for each of its subjects,
#                             and its includes name the folder
#   src/x_test.cc             tests of x, all linked into NAME_test
#   src/x_fuzz.cc             a fuzz target; its corpus lies in corpus/x/
#
# A module sees the public headers of the modules in USES and of no others: include paths are given
# one by one and never inherited, so that an undeclared include stops with "No such file".
function(mutirao_module name)
  cmake_parse_arguments(arg "" "" "USES;LINKS;TEST_USES" ${ARGN})
  set(dir "${CMAKE_CURRENT_SOURCE_DIR}")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${dir}/src/*.cc" "${dir}/src/*.S")
  set(tests ${sources})
  set(fuzzers ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz|bench)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")

  foreach(used ${arg_USES})
    if(NOT TARGET mutirao_${used})
      message(FATAL_ERROR "module ${name} uses ${used}, which is not below it")
    endif()
  endforeach()

  add_library(mutirao_${name} STATIC ${sources})
  _mutirao_target(mutirao_${name} ${name} "${arg_USES}")
  target_include_directories(mutirao_${name} PRIVATE "${dir}/src")
  target_link_libraries(mutirao_${name} PUBLIC ${arg_LINKS} fmt::fmt)
  foreach(used ${arg_USES})
    target_link_libraries(mutirao_${name} PUBLIC $<LINK_ONLY:mutirao_${used}>)
  endforeach()
  _mutirao_headers(${name} "${arg_USES}")

  if(MUTIRAO_TESTS AND tests)
    add_executable(${name}_test ${tests})
    _mutirao_target(${name}_test ${name} "${arg_USES};${arg_TEST_USES}")
    target_include_directories(${name}_test PRIVATE "${dir}/src")
    target_link_libraries(${name}_test PRIVATE mutirao_${name} GTest::gmock GTest::gtest GTest::gtest_main)
    foreach(used ${arg_TEST_USES})
      target_link_libraries(${name}_test PRIVATE mutirao_${used})
    endforeach()
    if("sim" IN_LIST arg_USES OR "sim" IN_LIST arg_TEST_USES OR name STREQUAL "sim")
      target_link_libraries(${name}_test PRIVATE mutirao_sim_testing)
    endif()
    # What a test says once need not be fast, and compiles in two thirds of the time.
    target_compile_options(${name}_test PRIVATE -O1)
    target_compile_definitions(${name}_test PRIVATE MUTIRAO_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    gtest_discover_tests(${name}_test TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST
                         PROPERTIES TIMEOUT 300 LABELS "${name}")
  endif()
  foreach(fuzzer ${fuzzers})
    _mutirao_fuzzer(${name} "${fuzzer}" "${arg_USES}" "${arg_TEST_USES}")
  endforeach()
endfunction()

# Gives `target` the flags and exactly the public headers of its own module and of `uses`.
function(_mutirao_target target own uses)
  target_link_libraries(${target} PRIVATE mutirao_flags Threads::Threads)
  foreach(used ${own} ${uses})
    target_include_directories(${target} PRIVATE "${CMAKE_SOURCE_DIR}/src/${used}/include")
  endforeach()
endfunction()

# Each public header must compile when it is included alone: the target `headers` checks all.
add_custom_target(headers)
function(_mutirao_headers name uses)
  file(GLOB headers CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/include/mutirao/${name}/*.h")
  set(checks)
  foreach(header ${headers})
    get_filename_component(stem "${header}" NAME_WE)
    set(check "${CMAKE_CURRENT_BINARY_DIR}/headers/${stem}.cc")
    file(CONFIGURE OUTPUT "${check}" CONTENT "#include \"mutirao/${name}/${stem}.h\"\n")
    list(APPEND checks "${check}")
  endforeach()
  if(checks)
    add_library(${name}_headers OBJECT EXCLUDE_FROM_ALL ${checks})
    set_target_properties(${name}_headers PROPERTIES UNITY_BUILD OFF)
    add_dependencies(headers ${name}_headers)
    _mutirao_target(${name}_headers ${name} "${uses}")
    target_link_libraries(${name}_headers PRIVATE fmt::fmt)
  endif()
endfunction()

# With MUTIRAO_FUZZ the target is a libFuzzer binary; otherwise a plain test that replays its corpus.
function(_mutirao_fuzzer name source uses test_uses)
  get_filename_component(stem "${source}" NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" subject "${stem}")
  add_executable(${name}_${stem} "${source}")
  _mutirao_target(${name}_${stem} ${name} "${uses};${test_uses}")
  target_include_directories(${name}_${stem} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/src")
  target_link_libraries(${name}_${stem} PRIVATE mutirao_${name})
  foreach(used ${test_uses})
    target_link_libraries(${name}_${stem} PRIVATE mutirao_${used})
  endforeach()
  if(MUTIRAO_FUZZ)
    target_link_options(${name}_${stem} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name}_${stem} PRIVATE "${CMAKE_SOURCE_DIR}/cmake/replay_corpus.cc")
    if(MUTIRAO_TESTS)
      add_test(NAME fuzz.${name}.${subject}
               COMMAND ${name}_${stem} "${CMAKE_CURRENT_SOURCE_DIR}/corpus/${subject}")
      set_tests_properties(fuzz.${name}.${subject} PROPERTIES TIMEOUT 60 LABELS fuzz)
    endif()
  endif()
endfunction()
