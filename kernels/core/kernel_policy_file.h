// The file of a kernel policy: what the implementations of the operators took on one machine, a
// line a shape, written by `bench kernels --write-policy` and read where a program starts.
//
//   # comment
//   capability avx512_bf16        a word that DeviceBackend::capabilities knows
//   device AMD EPYC               the rest of the line, as are the two below
//   vendor oneDNN 2.6.3
//   threads 2                     of the rows of "more"
//   depthwise_conv_forward f32 more 3 1 56 50176 144 144 vendor,ours 1.08 0.012
//
// A row names operator, dtype, threads (1, more), kernel, stride, width, rows, c_in, c_out, order,
// gain and noise (KernelPolicyRow), separated by blanks.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "kernels/core/kernel_policy.h"
#include "kernels/core/kernel_registry.h"

namespace nasengine {

// Throws kInvalidArgument "origin:line: found ..., expected ..." where a line is none of these, a
// row stands there twice or names an operator or an implementation that `registry` does not have.
KernelPolicyTable ParseKernelPolicy(std::string_view text, std::string_view origin,
                                    const KernelRegistry& registry);

// The text of a file, sorted by operator, dtype, threads and shape: the same for the same rows in
// any order.
std::string KernelPolicyText(const KernelPolicyTable& table);

}  // namespace nasengine
