# Plants one wrong include after another in a small tree, and fails where check_includes.cmake does
# not find it: a check that cannot fail proves nothing.
# SPDX-License-Identifier: MIT
#
#   cmake -DWORK=<folder to use> -P check_planted.cmake
cmake_minimum_required(VERSION 3.22)

# Writes a tree of good files plus `file` with `line`; says whether the check passes.
function(run_check file line result)
  file(REMOVE_RECURSE "${WORK}")
  file(WRITE "${WORK}/kernels/core/tensor.h" "#pragma once\n#include <vector>\n")
  file(WRITE "${WORK}/kernels/core/onednn_check.h" "#include <dnnl.hpp>\n")
  file(WRITE "${WORK}/kernels/core/error.h" "#pragma once\n")
  file(WRITE "${WORK}/kernels/conv/conv2d.h" "#include \"kernels/core/tensor.h\"\n")
  file(WRITE "${WORK}/kernels/conv/conv2d_onednn.cc"
       "#include <dnnl.hpp>\n#include \"kernels/conv/conv2d.h\"\n")
  file(WRITE "${WORK}/autograd/tape.h" "#include \"kernels/conv/conv2d.h\"\n")
  file(WRITE "${WORK}/data/loader.h" "#include \"kernels/core/tensor.h\"\n")
  file(WRITE "${WORK}/nas/space/layer.h" "#include \"kernels/core/error.h\"\n")
  file(WRITE "${WORK}/nas/space/layer.cc" "#include <nlohmann/json.hpp>\n")
  file(WRITE "${WORK}/nas/search/searcher.h" "#include \"nas/space/layer.h\"\n")
  file(WRITE "${WORK}/nas/cli/main.cc" "#include \"nas/search/searcher.h\"\n")
  file(APPEND "${WORK}/${file}" "${line}\n")
  execute_process(COMMAND "${CMAKE_COMMAND}" "-DROOT=${WORK}" -P
                          "${CMAKE_CURRENT_LIST_DIR}/check_includes.cmake"
                  RESULT_VARIABLE status OUTPUT_QUIET ERROR_VARIABLE text)
  if(status EQUAL 0)
    set(${result} "passes" PARENT_SCOPE)
  elseif(text MATCHES "1 include")
    set(${result} "refused" PARENT_SCOPE)
  else()
    set(${result} "failed otherwise: ${text}" PARENT_SCOPE)
  endif()
endfunction()

function(expect outcome file line)
  run_check("${file}" "${line}" result)
  if(NOT result STREQUAL outcome)
    message(SEND_ERROR "${file} with ${line}: ${result}, expected: ${outcome}")
  endif()
endfunction()

expect(passes nas/cli/main.cc "#include <CLI/CLI.hpp>")
expect(passes nas/space/layer.h "#include <nlohmann/json_fwd.hpp>")
expect(refused kernels/core/tensor.h "#include \"kernels/conv/conv2d.h\"")
expect(refused kernels/core/tensor.h "#include \"autograd/tape.h\"")
expect(refused kernels/norm/norm.h "#include \"kernels/conv/conv2d.h\"")
expect(refused autograd/tape.h "#include \"data/loader.h\"")
expect(refused data/loader.h "  #  include \"autograd/tape.h\"")
expect(refused data/loader.h "#include \"kernels/conv/conv2d.h\"")
expect(refused nas/space/layer.cc "#include \"kernels/core/tensor.h\"")
expect(refused nas/space/layer.cc "#include \"nas/search/searcher.h\"")
expect(refused nas/search/searcher.h "#include \"data/loader.h\"")
expect(refused nas/search/searcher.h "#include \"nas/cli/main.cc\"")
expect(refused nas/space/layer.h "#include \"layer.h\"")
expect(refused nas/space/layer.h "#include \"nas/space/absent.h\"")
expect(refused nas/space/layer.h "#include <nas/space/layer.h>")
expect(refused nas/space/layer.h "#include <nlohmann/json.hpp>")
expect(refused kernels/conv/conv2d.h "#include <fmt/format.h>")
expect(refused kernels/conv/conv2d_ref.cc "#include <dnnl.hpp>")
expect(refused autograd/tape.h "#include \"kernels/core/onednn_check.h\"")
expect(refused nas/elsewhere/file.h "#include \"kernels/core/error.h\"")
file(REMOVE_RECURSE "${WORK}")
