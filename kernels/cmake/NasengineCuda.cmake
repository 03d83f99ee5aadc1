# Finds what the CUDA plug-in is built with: the toolkit, cuDNN and cuBLASLt. Sets NASENGINE_CUDA to
# ON or OFF where it was AUTO, and enables the language.
set(found OFF)
if(NOT NASENGINE_CUDA STREQUAL "OFF" AND NOT NASENGINE_SANITIZE)
  find_package(CUDAToolkit QUIET)
  if(CUDAToolkit_FOUND)
    find_path(NASENGINE_CUDNN_INCLUDE_DIR cudnn_backend.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
    find_library(NASENGINE_CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR}
                 PATH_SUFFIXES lib lib64)
    if(NASENGINE_CUDNN_INCLUDE_DIR AND NASENGINE_CUDNN_LIBRARY AND TARGET CUDA::cublasLt)
      set(found ON)
    endif()
  endif()
  if(NOT found AND NOT NASENGINE_CUDA STREQUAL "AUTO")
    message(FATAL_ERROR "NASENGINE_CUDA is ${NASENGINE_CUDA}, but the CUDA toolkit (12.8 or later), "
                        "cuDNN 9 and cuBLASLt were not all found.")
  endif()
endif()
set(NASENGINE_CUDA ${found})
if(NASENGINE_CUDA)
  if(NOT CMAKE_CUDA_COMPILER)
    # nvcc is seldom on the path.
    set(CMAKE_CUDA_COMPILER ${CUDAToolkit_BIN_DIR}/nvcc)
  endif()
  set(CMAKE_CUDA_ARCHITECTURES OFF)
  enable_language(CUDA)
  # CMake before 3.26 does not know that nvcc has C++20.
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
  endif()
  message(STATUS "CUDA plug-in: nvcc ${CMAKE_CUDA_COMPILER_VERSION}, ${NASENGINE_CUDA_ARCHITECTURES}")
endif()
