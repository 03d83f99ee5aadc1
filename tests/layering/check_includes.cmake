# Reads the include lines of every source and fails on one that points up or across the layers.
# SPDX-License-Identifier: MIT
#
#   cmake -DROOT=<folder of the repository> -P check_includes.cmake
#
# A file may include its own folder and what its folder's row names; the first row that fits counts.
# "..." is ours, by its full path from the root; <...> is everybody else's.
cmake_minimum_required(VERSION 3.22)

set(own_layers "kernels|autograd|data|nas|tests|bench")
# Descriptions hold no tensors: these are all that they may know of the kernels.
set(plain_core "kernels/core/(activation|builtin_file|error|file_io|kernel_recorder|log|rng)\\.h")
# What one family lends to another: sizes of windows, and the product that a pointwise convolution is.
set(lent
    "kernels/(conv/(conv_geometry|matmul_shape)|linear/matmul_onednn)\\.h|kernels/conv/matrix_product_cuda[a-z_]*\\.(h|cuh)")
set(rows
  # folder of the including file          what it may include, as regular expressions
  "kernels/core                           -"
  "kernels/register                       kernels/"
  "kernels/cuda                           kernels/"
  "kernels/policy                         kernels/"
  # A block of convolutions normalises between them and adds its input.
  "kernels/conv                           kernels/core/ kernels/cuda/ kernels/norm/ kernels/elementwise/elementwise\\.h ${lent}"
  "kernels/[a-z0-9_]+                     kernels/core/ kernels/cuda/ ${lent}"
  "autograd                               kernels/[a-z0-9_]+/[a-z0-9_]+\\.h"
  "data                                   kernels/core/ kernels/image/"
  "nas/space                              ${plain_core}"
  "nas/config                             ${plain_core} nas/space/"
  "nas/supernet                           kernels/ autograd/ nas/space/"
  "nas/deploy                             kernels/ autograd/ nas/space/ nas/supernet/"
  "nas/latency                            kernels/ nas/space/ nas/deploy/"
  "nas/search                             kernels/ autograd/ data/batch\\.h nas/(space|supernet|latency)/"
  "nas/train                              kernels/ autograd/ data/ nas/(config|space|supernet|deploy|latency|search)/"
  "nas/export                             kernels/ autograd/ nas/(space|supernet|deploy)/"
  "nas/report                             ${plain_core} nas/space/"
  "nas/cli                                kernels/ autograd/ data/ nas/"
  "tests                                  kernels/ autograd/ data/ nas/ bench/"
  "bench                                  kernels/ autograd/ data/ nas/"
)
# Slow to compile: for a few .cc files, never for a header of ours.
set(heavy "^(CLI/|CLI\\.hpp|nlohmann/|toml\\+\\+|toml\\.hpp|spdlog/|fmt/|yaml-cpp/|dnnl|oneapi/)")
set(heavy_but_light "^nlohmann/json_fwd\\.hpp$")
set(vendor "^(dnnl|oneapi/|cuda|cudnn|cublas|nccl)")
# A file's name says which vendor it knows; in the plug-in's own folders every file knows CUDA.
set(vendor_file "(_|^)(onednn|cuda|cudnn|cublas|cublaslt|nccl)(_[a-z0-9_]+)?\\.(h|cc|cu|cuh)$")
set(vendor_folder "(^|/)kernels/cuda(/|$)")

if(NOT IS_DIRECTORY "${ROOT}")
  message(FATAL_ERROR "check_includes: ROOT is not a folder: '${ROOT}'")
endif()
set(files)
foreach(layer kernels autograd data nas tests bench)
  file(GLOB_RECURSE found RELATIVE "${ROOT}" "${ROOT}/${layer}/*.h" "${ROOT}/${layer}/*.cc"
       "${ROOT}/${layer}/*.cu" "${ROOT}/${layer}/*.cuh")
  list(APPEND files ${found})
endforeach()

set(faults)
macro(fault text)
  list(APPEND faults "${file}: ${line}: ${text}")
endmacro()

# Is `included` allowed to a file of `folder`?
function(check_row folder included result)
  foreach(row IN LISTS rows)
    string(REGEX MATCHALL "[^ ]+" words "${row}")
    list(POP_FRONT words owner)
    if("${folder}/" MATCHES "^${owner}/")
      set(own "${CMAKE_MATCH_0}")
      string(FIND "${included}" "${own}" at)
      if(at EQUAL 0)
        set(${result} TRUE PARENT_SCOPE)
        return()
      endif()
      foreach(allowed IN LISTS words)
        if("${included}" MATCHES "^${allowed}")
          set(${result} TRUE PARENT_SCOPE)
          return()
        endif()
      endforeach()
      break()
    endif()
  endforeach()
  set(${result} FALSE PARENT_SCOPE)
endfunction()

foreach(file IN LISTS files)
  get_filename_component(folder "${file}" DIRECTORY)
  get_filename_component(name "${file}" NAME)
  set(knows_vendor FALSE)
  if(name MATCHES "${vendor_file}" OR folder MATCHES "${vendor_folder}")
    set(knows_vendor TRUE)
  endif()
  file(STRINGS "${ROOT}/${file}" lines REGEX "^[ \t]*#[ \t]*include[ \t]*[<\"]")
  foreach(line IN LISTS lines)
    if(NOT line MATCHES "#[ \t]*include[ \t]*([<\"])([^>\"]+)[>\"]")
      continue()
    endif()
    set(bracket "${CMAKE_MATCH_1}")
    set(included "${CMAKE_MATCH_2}")
    if(bracket STREQUAL "<")
      if(name MATCHES "\\.h$" AND NOT knows_vendor AND included MATCHES "${heavy}"
         AND NOT included MATCHES "${heavy_but_light}")
        fault("a heavy header belongs in a .cc file")
      endif()
      if(included MATCHES "${vendor}" AND NOT knows_vendor)
        fault("only a file whose name names the library may include a vendor's header")
      endif()
      if(included MATCHES "^(${own_layers})/")
        fault("files of ours are included with quotes")
      endif()
      continue()
    endif()
    if(NOT included MATCHES "^(${own_layers})/" OR NOT EXISTS "${ROOT}/${included}")
      fault("no such file from the root (quotes take a full path, <...> is for others)")
      continue()
    endif()
    get_filename_component(included_name "${included}" NAME)
    if((included_name MATCHES "${vendor_file}" OR included MATCHES "${vendor_folder}")
       AND NOT knows_vendor)
      fault("only a file whose name names the library may include what is built on it")
    endif()
    check_row("${folder}" "${included}" allowed)
    if(NOT allowed)
      fault("${folder}/ must not know this file")
    endif()
  endforeach()
endforeach()

list(LENGTH files file_count)
list(LENGTH faults fault_count)
if(fault_count GREATER 0)
  list(JOIN faults "\n  " text)
  message(FATAL_ERROR "${fault_count} include(s) against the layers:\n  ${text}")
endif()
if(file_count EQUAL 0)
  message(FATAL_ERROR "check_includes: no sources under ${ROOT}")
endif()
message(STATUS "${file_count} files keep to the layers")
