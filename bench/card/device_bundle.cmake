# Packs what a bare machine with a card needs: program, plug-in, benchmarks, tests and the shared
# libraries that such a machine may lack, stripped; not the driver's nor the toolkit's.
#
#   cmake -DOUT=FOLDER -DPROGRAMS=LIST -DTESTS=LIST -DPLUGIN=FILE -DSCRIPT=FILE -DSTRIP=strip
#         -P device_bundle.cmake
cmake_minimum_required(VERSION 3.22)

set(most_bytes 52428800)
set(folder ${OUT}/device_bundle)
file(REMOVE_RECURSE ${folder})
file(MAKE_DIRECTORY ${folder}/lib ${folder}/tests)
file(COPY ${PROGRAMS} ${PLUGIN} ${SCRIPT} DESTINATION ${folder})
file(COPY ${TESTS} DESTINATION ${folder}/tests)

# The C and C++ runtimes are everywhere, and must be the machine's own.
file(GET_RUNTIME_DEPENDENCIES
  EXECUTABLES ${PROGRAMS} ${TESTS}
  RESOLVED_DEPENDENCIES_VAR libraries
  UNRESOLVED_DEPENDENCIES_VAR missing
  PRE_EXCLUDE_REGEXES "^lib(c|m|dl|rt|pthread|gcc_s|stdc\\+\\+)\\.so" "^ld-linux" "^libcud" "^libcublas")
if(missing)
  message(FATAL_ERROR "device_bundle: not found: ${missing}")
endif()
foreach(library ${libraries})
  get_filename_component(name ${library} NAME)
  get_filename_component(real ${library} REALPATH)
  file(COPY_FILE ${real} ${folder}/lib/${name})
endforeach()

file(GLOB_RECURSE binaries LIST_DIRECTORIES false ${folder}/lib/* ${folder}/tests/* ${folder}/nasengine*)
execute_process(COMMAND ${STRIP} --strip-unneeded ${binaries} RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "device_bundle: strip failed")
endif()
execute_process(
  COMMAND ${CMAKE_COMMAND} -E tar cJf ${OUT}/device_bundle.tar.xz device_bundle
  WORKING_DIRECTORY ${OUT}
  RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "device_bundle: tar failed")
endif()
file(SIZE ${OUT}/device_bundle.tar.xz bytes)
math(EXPR mib "${bytes} / 1048576")
if(bytes GREATER most_bytes)
  message(FATAL_ERROR "device_bundle: ${mib} MiB, expected at most 50")
endif()
message(STATUS "device_bundle: ${OUT}/device_bundle.tar.xz, ${mib} MiB")
