// The part of batch normalisation that all implementations share: argument checks, the lists of
// outputs and the units of rounding error.
// SPDX-License-Identifier: MIT
#include "kernels/norm/batch_norm_check.h"

#include <algorithm>

#include "kernels/core/error_scale.h"
#include "kernels/core/float_kernel.h"
#include "kernels/core/product_error.h"

namespace nasengine {
namespace {

void CheckChannels(const char* op, const char* name, ConstView view, ConstView x) {
  CheckView(op, name, view, {x.shape.back()}, SumType(x.dtype));
}

void CheckOptional(const char* op, const char* name, ConstView view, ConstView x) {
  if (!view.empty()) CheckChannels(op, name, view, x);
}

// Calls visit(value) for channel `channel` of every row.
template <class Visit>
void ForEachRow(ConstView x, std::int64_t channel, const Visit& visit) {
  const std::int64_t c = x.shape.back();
  for (std::int64_t i = channel; i < x.elements(); i += c) visit(i);
}

struct Moments {
  double mean = 0;
  double variance = 0;
  double mean_square = 0;
  double largest = 0;  // of |x|
};

Moments ChannelMoments(ConstView x, std::int64_t channel) {
  const double rows = static_cast<double>(std::max<std::int64_t>(1, x.shape.rows()));
  Moments moments;
  ForEachRow(x, channel, [&](std::int64_t i) { moments.mean += ValueAt(x, i) / rows; });
  ForEachRow(x, channel, [&](std::int64_t i) {
    moments.variance += std::pow(ValueAt(x, i) - moments.mean, 2) / rows;
    moments.largest = std::max(moments.largest, std::abs(ValueAt(x, i)));
  });
  moments.mean_square = moments.variance + moments.mean * moments.mean;
  return moments;
}

// y is the sum of scale * x, -scale * mean and beta, here of the largest x, which is rounded most;
// the statistics are kept in f32, so a large mean is rounded however well it was computed.
void AddValueTerms(TermScale& scale, const Moments& x, double mean, double gamma_inv_std,
                   double beta) {
  scale.Element({gamma_inv_std * x.largest, gamma_inv_std * mean, beta});
}

// Of the mean over `rows` values of this mean square, added one after the other.
double MeanErrorScale(double rows, double mean_square) {
  return ProductErrorScale(rows, mean_square, 1) / rows;
}

}  // namespace

void CheckArguments(const BatchNormForward::Args& args) {
  const char* op = BatchNormForward::kName;
  CheckStorage(op, "x", args.x);
  CheckView(op, "y", args.y, args.x.shape, args.x.dtype);
  CheckChannels(op, "gamma", args.gamma, args.x);
  CheckChannels(op, "beta", args.beta, args.x);
  CheckChannels(op, "mean", args.mean, args.x);
  CheckChannels(op, "inv_std", args.inv_std, args.x);
  CheckOptional(op, "running_mean", args.running_mean, args.x);
  CheckOptional(op, "running_var", args.running_var, args.x);
  NAS_CHECK(args.epsilon > 0, op, ": epsilon is ", args.epsilon, ", expected more than 0");
}

void CheckArguments(const BatchNormInference::Args& args) {
  const char* op = BatchNormInference::kName;
  CheckStorage(op, "x", args.x);
  CheckView(op, "y", args.y, args.x.shape, args.x.dtype);
  CheckChannels(op, "gamma", args.gamma, args.x);
  CheckChannels(op, "beta", args.beta, args.x);
  CheckChannels(op, "mean", args.mean, args.x);
  CheckChannels(op, "var", args.var, args.x);
  NAS_CHECK(args.epsilon > 0, op, ": epsilon is ", args.epsilon, ", expected more than 0");
}

void CheckArguments(const BatchNormBackward::Args& args) {
  const char* op = BatchNormBackward::kName;
  CheckStorage(op, "x", args.x);
  CheckView(op, "dy", args.dy, args.x.shape, args.x.dtype);
  CheckView(op, "dx", args.dx, args.x.shape, args.x.dtype);
  CheckChannels(op, "gamma", args.gamma, args.x);
  CheckChannels(op, "beta", args.beta, args.x);
  CheckChannels(op, "mean", args.mean, args.x);
  CheckChannels(op, "inv_std", args.inv_std, args.x);
  CheckOptional(op, "dgamma", args.dgamma, args.x);
  CheckOptional(op, "dbeta", args.dbeta, args.x);
}

std::vector<View*> BatchNormForward::Outputs(Args& args) {
  return {&args.y, &args.mean, &args.inv_std, &args.running_mean, &args.running_var};
}
std::vector<View*> BatchNormInference::Outputs(Args& args) { return {&args.y}; }
std::vector<View*> BatchNormBackward::Outputs(Args& args) {
  return {&args.dx, &args.dgamma, &args.dbeta};
}

double BatchNormForward::ErrorScale(const Args& args, int output) {
  TermScale scale;
  const double rows = static_cast<double>(std::max<std::int64_t>(1, args.x.shape.rows()));
  const double momentum = args.momentum;
  for (std::int64_t channel = 0; channel < args.x.shape.back(); ++channel) {
    const Moments x = ChannelMoments(args.x, channel);
    const double inv_std = 1 / std::sqrt(x.variance + args.epsilon);
    if (output == 0) {
      AddValueTerms(scale, x, x.mean, ValueAt(args.gamma, channel) * inv_std,
                    ValueAt(args.beta, channel));
    } else if (output == 1) {
      scale.Element({MeanErrorScale(rows, x.mean_square), x.mean});
    } else if (output == 2) {
      scale.Element({inv_std});
    } else if (output == 3) {
      scale.Element({(1 - momentum) * ValueAt(args.running_mean, channel), momentum * x.mean,
                     momentum * MeanErrorScale(rows, x.mean_square)});
    } else {
      const double unbiased = x.variance * rows / std::max(1.0, rows - 1);
      scale.Element({(1 - momentum) * ValueAt(args.running_var, channel), momentum * unbiased});
    }
  }
  return scale.value();
}

double BatchNormInference::ErrorScale(const Args& args, int /*output*/) {
  TermScale scale;
  for (std::int64_t channel = 0; channel < args.x.shape.back(); ++channel) {
    const double inv_std = 1 / std::sqrt(ValueAt(args.var, channel) + args.epsilon);
    AddValueTerms(scale, ChannelMoments(args.x, channel), ValueAt(args.mean, channel),
                  ValueAt(args.gamma, channel) * inv_std, ValueAt(args.beta, channel));
  }
  return scale.value();
}

// dx cancels: its three terms are the gradient, its mean and its projection on the normalised x,
// the last two at most its RMS times 1 and times the largest normalised x.
// Gradients that the activation stops count too, which makes the bound at most a little wider.
double BatchNormBackward::ErrorScale(const Args& args, int output) {
  TermScale scale;
  const double rows = static_cast<double>(std::max<std::int64_t>(1, args.x.shape.rows()));
  for (std::int64_t channel = 0; channel < args.x.shape.back(); ++channel) {
    const double mean = ValueAt(args.mean, channel);
    const double inv_std = ValueAt(args.inv_std, channel);
    double gradient = 0, projection = 0;  // sums of squares
    double largest_gradient = 0, largest_x = 0;
    ForEachRow(args.x, channel, [&](std::int64_t i) {
      const double g = ValueAt(args.dy, i);
      gradient += g * g;
      const double normalised = (ValueAt(args.x, i) - mean) * inv_std;
      projection += std::pow(g * normalised, 2);
      largest_gradient = std::max(largest_gradient, std::abs(g));
      largest_x = std::max(largest_x, std::abs(normalised));
    });
    if (output == 0) {
      const double factor = ValueAt(args.gamma, channel) * inv_std;
      const double rms = std::sqrt(gradient / rows);
      scale.Element({factor * largest_gradient, factor * rms, factor * rms * largest_x});
    } else {
      const View& sum = output == 1 ? args.dgamma : args.dbeta;
      const double before = args.accumulate ? ValueAt(sum, channel) : 0;
      const double mean_square = (output == 1 ? projection : gradient) / rows;
      scale.Element({before, ProductErrorScale(rows, mean_square, 1)});
    }
  }
  return scale.value();
}

}  // namespace nasengine
