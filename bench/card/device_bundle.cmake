# Packs what a bare machine with a card needs: program, plug-in, benchmarks, tests and the shared
# libraries that such a machine may lack, stripped; not the driver's nor the toolkit's.
#
#   cmake -DOUT=FOLDER -DPROGRAMS=LIST -DPLUGIN=FILE -DSCRIPT=FILE -DSTRIP=strip
#         -P device_bundle.cmake
cmake_minimum_required(VERSION 3.22)

set(most_bytes 52428800)
set(folder ${OUT}/device_bundle)
file(REMOVE_RECURSE ${folder})
file(MAKE_DIRECTORY ${folder}/lib)
file(COPY ${PROGRAMS} ${PLUGIN} ${SCRIPT} DESTINATION ${folder})

# The C and C++ runtimes are everywhere, and must be the machine's own.
file(GET_RUNTIME_DEPENDENCIES
  EXECUTABLES ${PROGRAMS}
  RESOLVED_DEPENDENCIES_VAR libraries
  UNRESOLVED_DEPENDENCIES_VAR missing
  PRE_EXCLUDE_REGEXES "^lib(c|m|dl|rt|pthread|gcc_s|stdc\\+\\+)\\.so" "^ld-linux")
if(missing)
  message(FATAL_ERROR "device_bundle: not found: ${missing}")
endif()
foreach(library ${libraries})
  get_filename_component(name ${library} NAME)
  get_filename_component(real ${library} REALPATH)
  file(COPY_FILE ${real} ${folder}/lib/${name})
endforeach()

file(GLOB_RECURSE binaries LIST_DIRECTORIES false ${folder}/lib/* ${folder}/nasengine*)
execute_process(COMMAND ${STRIP} --strip-unneeded ${binaries} RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "device_bundle: strip failed")
endif()
# The window of level 9 holds all programs, so that a kernel which they share is stored once.
execute_process(
  COMMAND tar -C ${OUT} --owner=0 --group=0 -cf - device_bundle
  COMMAND xz -9e -T1
  OUTPUT_FILE ${OUT}/device_bundle.tar.xz
  RESULTS_VARIABLE results)
if(NOT results STREQUAL "0;0")
  message(FATAL_ERROR "device_bundle: tar and xz ended with ${results}, expected 0;0")
endif()
file(SIZE ${OUT}/device_bundle.tar.xz bytes)
math(EXPR tenths "${bytes} * 10 / 1048576")
math(EXPR mib "${tenths} / 10")
math(EXPR tenth "${tenths} % 10")
if(bytes GREATER most_bytes)
  message(FATAL_ERROR "device_bundle: ${mib}.${tenth} MiB, expected at most 50")
endif()
message(STATUS "device_bundle: ${OUT}/device_bundle.tar.xz, ${mib}.${tenth} MiB")
