// SPDX-License-Identifier: Apache-2.0
#include "forecast.h"

#include <math.h>

#define ALPHA          0.3
#define BETA           0.05
#define PHI            0.98
#define ERROR_SHARE    (1.0 / 120)
#define JUDGED_FROM    30
#define FORGET         0.995
#define MOMENTS_SHARE  0.005
#define SPREAD_START   1e6
#define SPREAD_MAX     1e8 // what load does not tell is not forgotten without end
#define VARIANCE_LEAST 4.0
#define FIT_LEAST      30

static double trended(const struct sl_forecast *f, uint32_t n_periods)
{
	const double damped = PHI * (1 - pow(PHI, n_periods)) / (1 - PHI);

	return f->level + f->trend * damped;
}

double sl_forecast_mase(const struct sl_forecast *f)
{
	return f->n_seen < JUDGED_FROM || f->naive_error == 0 ? 1 : f->error / f->naive_error;
}

// What was told for now, by both.
static void judge(struct sl_forecast *f, double value)
{
	const uint32_t at = f->n_seen % SL_FORECAST_AHEAD;
	bool speaks_against;

	if (f->n_seen < SL_FORECAST_AHEAD)
		return;
	f->error += (fabs(value - f->trended[at]) - f->error) * ERROR_SHARE;
	f->naive_error += (fabs(value - f->unchanged[at]) - f->naive_error) * ERROR_SHARE;
	speaks_against = f->is_off ? sl_forecast_mase(f) < 1 : sl_forecast_mase(f) > 1;
	f->n_against = speaks_against ? f->n_against + 1 : 0;
	if (f->n_against >= SL_FORECAST_JUDGED) {
		f->is_off = !f->is_off;
		f->n_against = 0;
	}
}

void sl_forecast_see(struct sl_forecast *f, double value)
{
	const double before = f->n_seen > 0 ? f->level : value;
	const double expected = before + PHI * f->trend;
	const uint32_t at = f->n_seen % SL_FORECAST_AHEAD;

	judge(f, value);
	f->level = f->n_seen > 0 ? expected + ALPHA * (value - expected) : value;
	f->trend = BETA * (f->level - before) + (1 - BETA) * PHI * f->trend;
	f->last = value;
	f->trended[at] = trended(f, SL_FORECAST_AHEAD);
	f->unchanged[at] = value;
	f->n_seen++;
}

double sl_forecast_at(const struct sl_forecast *f, uint32_t n_periods)
{
	if (f->is_off || n_periods == 0)
		return f->last;
	return trended(f, n_periods < SL_FORECAST_LATEST ? n_periods : SL_FORECAST_LATEST);
}

double sl_forecast_until(const struct sl_forecast *f, double value)
{
	uint32_t low = 0, high = SL_FORECAST_LATEST;

	if (f->last >= value)
		return 0;
	if (f->is_off || f->trend <= 0 || trended(f, high) < value)
		return INFINITY;
	while (high - low > 1) { // it grows from low to high
		const uint32_t middle = (low + high) / 2;

		if (trended(f, middle) >= value)
			high = middle;
		else
			low = middle;
	}
	return high;
}

// Spread times x, and x times that: how much this sample can tell.
static double direction(const struct sl_forecast_fit *fit, const double *x, double *out)
{
	double sum = 0;

	for (int i = 0; i < 3; i++) {
		out[i] = 0;
		for (int j = 0; j < 3; j++)
			out[i] += fit->spread[i][j] * x[j];
		sum += x[i] * out[i];
	}
	return sum;
}

static void start(struct sl_forecast_fit *fit, double flows, double waiting)
{
	for (int i = 0; i < 3; i++)
		fit->spread[i][i] = SPREAD_START;
	fit->mean_flows = flows;
	fit->mean_waiting = waiting;
}

void sl_forecast_fit_see(struct sl_forecast_fit *fit, double flows, double waiting,
                         double latency_us)
{
	const double x[3] = {1, flows, waiting};
	double gain[3], told, error, forget, share;

	if (fit->n_seen == 0)
		start(fit, flows, waiting);
	fit->n_seen++;
	share = fmax(MOMENTS_SHARE, 1.0 / fit->n_seen);
	fit->variance_flows +=
		share * ((flows - fit->mean_flows) * (flows - fit->mean_flows) * (1 - share) -
	                 fit->variance_flows);
	fit->mean_flows += share * (flows - fit->mean_flows);
	fit->mean_waiting += share * (waiting - fit->mean_waiting);
	forget =
		fit->spread[0][0] + fit->spread[1][1] + fit->spread[2][2] < SPREAD_MAX ? FORGET : 1;
	told = direction(fit, x, gain);
	error = latency_us - sl_forecast_fit_latency_us(fit, flows, waiting);
	for (int i = 0; i < 3; i++)
		fit->factors[i] += gain[i] / (forget + told) * error;
	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < 3; j++)
			fit->spread[i][j] =
				(fit->spread[i][j] - gain[i] * gain[j] / (forget + told)) / forget;
	}
}

bool sl_forecast_fit_is_known(const struct sl_forecast_fit *fit)
{
	return fit->n_seen >= FIT_LEAST && fit->variance_flows >= VARIANCE_LEAST &&
	       fit->factors[1] > 0;
}

double sl_forecast_fit_latency_us(const struct sl_forecast_fit *fit, double flows, double waiting)
{
	return fit->factors[0] + fit->factors[1] * flows + fit->factors[2] * waiting;
}

double sl_forecast_fit_capacity(const struct sl_forecast_fit *fit, double objective_us)
{
	double left_us;

	if (!sl_forecast_fit_is_known(fit))
		return 0;
	left_us = objective_us - fit->factors[0] - fit->factors[2] * fit->mean_waiting;
	return fmax(left_us / fit->factors[1], 0);
}
