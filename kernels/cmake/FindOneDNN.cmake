# Finds oneDNN (2.6 or later) by header and library. A distribution's own package file is not used:
# some of them insist on OpenCL headers that a CPU build has no need of.
#
#   NASENGINE_ONEDNN_ROOT   a prefix with include/ and lib/; where set, nowhere else is looked
#   OneDNN::OneDNN          imported target
#   OneDNN_VERSION          from dnnl_version.h
set(_onednn_libraries dnnl libdnnl.so.3 libdnnl.so.2)
if(NASENGINE_ONEDNN_ROOT)
  set(_onednn_where PATHS ${NASENGINE_ONEDNN_ROOT} NO_DEFAULT_PATH)
  set(_onednn_hint "no include/dnnl.hpp with lib/libdnnl.so under NASENGINE_ONEDNN_ROOT \
(${NASENGINE_ONEDNN_ROOT})")
else()
  set(_onednn_where)
  set(_onednn_hint "install libdnnl-dev, or set NASENGINE_ONEDNN_ROOT to a prefix with include/ \
and lib/")
endif()
# Not cached, so that another NASENGINE_ONEDNN_ROOT takes effect in an old build folder.
find_path(OneDNN_INCLUDE_DIR dnnl.hpp ${_onednn_where} PATH_SUFFIXES include NO_CACHE)
find_library(OneDNN_LIBRARY NAMES ${_onednn_libraries} ${_onednn_where}
             PATH_SUFFIXES lib lib64 lib/x86_64-linux-gnu NO_CACHE)

if(OneDNN_INCLUDE_DIR)
  set(_onednn_version_file ${OneDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h)
  if(NOT EXISTS ${_onednn_version_file})
    set(_onednn_version_file ${OneDNN_INCLUDE_DIR}/dnnl_version.h)
  endif()
  set(_onednn_numbers)
  foreach(part MAJOR MINOR PATCH)
    file(STRINGS ${_onednn_version_file} _onednn_line
         REGEX "^#define[ \t]+DNNL_VERSION_${part}[ \t]+[0-9]+")
    string(REGEX MATCH "[0-9]+" _onednn_number "${_onednn_line}")
    list(APPEND _onednn_numbers ${_onednn_number})
  endforeach()
  list(JOIN _onednn_numbers "." OneDNN_VERSION)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OneDNN
  REQUIRED_VARS OneDNN_LIBRARY OneDNN_INCLUDE_DIR
  VERSION_VAR OneDNN_VERSION
  REASON_FAILURE_MESSAGE "${_onednn_hint}")

if(OneDNN_FOUND AND NOT TARGET OneDNN::OneDNN)
  add_library(OneDNN::OneDNN UNKNOWN IMPORTED)
  set_target_properties(OneDNN::OneDNN PROPERTIES
    IMPORTED_LOCATION ${OneDNN_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${OneDNN_INCLUDE_DIR})
endif()
