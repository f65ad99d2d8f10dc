# mutirao_stories(SCRIPT TIMEOUT SECONDS ARGUMENTS argument...)
#
# One ctest entry, FOLDER.STORY, for each line that `SCRIPT --list` prints, so that a failure names its
# story and stories can run side by side. Each runs as `SCRIPT ARGUMENTS STORY`, with the label `real`; it
# exits with 77 when the machine cannot run it.
function(mutirao_stories script)
  cmake_parse_arguments(arg "" "TIMEOUT" "ARGUMENTS" ${ARGN})
  get_filename_component(suite "${CMAKE_CURRENT_SOURCE_DIR}" NAME)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${script}")  # a new story is a new entry
  set(command /usr/bin/python3 "${CMAKE_CURRENT_SOURCE_DIR}/${script}")
  execute_process(COMMAND ${command} --list OUTPUT_VARIABLE stories OUTPUT_STRIP_TRAILING_WHITESPACE
                  COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE "\n" ";" stories "${stories}")
  foreach(story ${stories})
    add_test(NAME ${suite}.${story} COMMAND ${command} ${arg_ARGUMENTS} ${story})
    set_tests_properties(${suite}.${story} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS real SKIP_RETURN_CODE 77)
  endforeach()
endfunction()
