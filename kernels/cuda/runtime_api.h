// The CUDA runtime, or the part of it that the emulation has under the same names.
// SPDX-License-Identifier: MIT
#pragma once

#ifdef NASENGINE_CUDA_EMULATED
#include "kernels/cuda/emulation/runtime.h"
#else
#include <cuda_runtime.h>
#endif
