// SPDX-License-Identifier: Apache-2.0
// Forecast: where a pool's load goes in the next minutes, and how much of it a backend can take.
// For admission and for whoever starts more servers; a pick needs none, it counts without delay.
//
// Series:  exponential smoothing with a damped trend (Holt; Gardner 1985), one sample per period;
//          the period is the caller's and so is the unit of "periods" everywhere here.
// Trust:   each forecast of SL_FORECAST_AHEAD periods is kept and compared with what came, and so
//          is that of somebody who says that nothing will change. When the trend has been worse
//          than that for SL_FORECAST_JUDGED periods it is switched off and the last value is the
//          forecast; it is judged on, and comes back when it has been better for as long.
// Latency: a + b flows + c waiting, by recursive least squares that forgets over 200 samples.
//          Unknown (capacity 0) while load has not varied, and when more load is not slower.
// Thread:  pure; the owner's.
// Source:  reference/ai-aware.md section 5.1. The damping there (0.9) leaves a fifth of a trend 10
//          periods ahead; 0.98 here.
#ifndef SLUICE_CONTROL_FORECAST_H
#define SLUICE_CONTROL_FORECAST_H

#include <stdbool.h>
#include <stdint.h>

#define SL_FORECAST_AHEAD  10
#define SL_FORECAST_JUDGED 600
#define SL_FORECAST_LATEST 300 // no further

// Zeroed = nothing seen.
struct sl_forecast {
	double level, trend, last;
	double trended[SL_FORECAST_AHEAD], unchanged[SL_FORECAST_AHEAD]; // told for then
	double error, naive_error; // mean absolute, of these two
	uint32_t n_seen;
	uint32_t n_against; // periods in a row that speak against what it does now
	bool is_off;        // the last value is the forecast
};

void sl_forecast_see(struct sl_forecast *f, double value);
double sl_forecast_at(const struct sl_forecast *f, uint32_t n_periods);

// Mean absolute error of the trend by that of the last value; 1 while nothing is known.
double sl_forecast_mase(const struct sl_forecast *f);

// Periods until the forecast reaches this much: 0 = it is there, INFINITY = not within
// SL_FORECAST_LATEST.
double sl_forecast_until(const struct sl_forecast *f, double value);

// Zeroed = nothing seen.
struct sl_forecast_fit {
	double factors[3]; // a, b, c
	double spread[3][3];
	double mean_flows, variance_flows, mean_waiting;
	uint32_t n_seen;
};

// flows and waiting in flows' worth (sl_pick units / SL_PICK_UNIT).
void sl_forecast_fit_see(struct sl_forecast_fit *fit, double flows, double waiting,
                         double latency_us);

bool sl_forecast_fit_is_known(const struct sl_forecast_fit *fit);
double sl_forecast_fit_latency_us(const struct sl_forecast_fit *fit, double flows, double waiting);

// Flows with which latency is at the objective, as much waiting as now; 0 = unknown.
double sl_forecast_fit_capacity(const struct sl_forecast_fit *fit, double objective_us);

#endif
