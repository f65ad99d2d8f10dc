# Compiler settings shared by every target of the project.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

set(MUTIRAO_SANITIZE "" CACHE STRING "Sanitizers to build with: address, thread, or empty")
option(MUTIRAO_FUZZ "Build the fuzz targets with libFuzzer (needs clang)" OFF)
option(MUTIRAO_COVERAGE "Instrument for coverage" OFF)
option(MUTIRAO_TESTS "Build tests" ON)
option(MUTIRAO_DEBUG "Abort when a user thread parks while it holds a lock of the kernel level" OFF)
set(MUTIRAO_SWITCH "own" CACHE STRING "Switch of stacks: own (where the processor has one), or fcontext (Boost.Context)")

# A compiler spends two thirds of a file on the headers it includes: sixteen files at a time share that
# work, and a build from nothing takes a third of the time. Switch it off to work on one file at length.
option(CMAKE_UNITY_BUILD "Compile sources in batches" ON)
set(CMAKE_UNITY_BUILD_BATCH_SIZE 16)

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)

add_library(mutirao_flags INTERFACE)
target_compile_options(mutirao_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wnon-virtual-dtor -Werror
  # A user thread has a small stack: a large frame must touch every page on its way down, so that
  # the guard page is never jumped over.
  -fstack-clash-protection
  -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports these falsely inside its own <expected> and <string>.
  target_compile_options(mutirao_flags INTERFACE
    -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-restrict -Wno-array-bounds -Wno-dangling-pointer
    # False for a file that is compiled in a batch.
    -Wno-subobject-linkage
    # At -O3, of std::vector<unsigned char>::insert.
    $<$<CONFIG:Release>:-Wno-stringop-overread>)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # clang defines the feature test that guards std::expected in libstdc++ 12 with an older value.
  target_compile_options(mutirao_flags INTERFACE -D__cpp_concepts=202002L -Wno-builtin-macro-redefined
                         -Wno-gnu-statement-expression -Wno-unknown-warning-option
                         # libstdc++ 12 uses one itself, in std::stable_partition.
                         -Wno-deprecated-declarations)
endif()
if(MUTIRAO_SANITIZE STREQUAL "address")
  # Without the checks on every pointer that address does as well, a file compiles in half the time.
  target_compile_options(mutirao_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined
                         -fno-sanitize=null,alignment,vptr,object-size)
  target_link_options(mutirao_flags INTERFACE -fsanitize=address,undefined)
elseif(MUTIRAO_SANITIZE STREQUAL "thread")
  target_compile_options(mutirao_flags INTERFACE -fsanitize=thread -Wno-tsan)
  target_link_options(mutirao_flags INTERFACE -fsanitize=thread)
endif()
if(MUTIRAO_FUZZ)
  target_compile_options(mutirao_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined)
  target_link_options(mutirao_flags INTERFACE -fsanitize=address,undefined)
endif()
if(MUTIRAO_COVERAGE)
  target_compile_options(mutirao_flags INTERFACE --coverage)
  target_link_options(mutirao_flags INTERFACE --coverage)
endif()

if(MUTIRAO_SWITCH STREQUAL "fcontext")
  target_compile_definitions(mutirao_flags INTERFACE MUTIRAO_SWITCH_FCONTEXT)
endif()

if(MUTIRAO_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
