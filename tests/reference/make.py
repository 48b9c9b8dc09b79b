#!/usr/bin/env python3
"""Writes polygamma.csv, trigamma_inverse.csv, negbin.csv and pybats.csv beside itself.

Made with Python 3.11, mpmath 1.4.1, numpy 2.4.6, scipy 1.17.1, pybats 0.0.5 (which imports nbdev). The counts of pybats.csv are
simulated with a fixed seed; no real counts. The logs of the negative binomial carry 20 digits.

At the end the tables are held to SciPy: polygammas to 5e-16, tails to 3e-8, but where its `p = size / (size + mean)` has no room for
the mean (a millionth at sizes of ten million and more).
"""
import csv
import functools
import math
import os

import mpmath as mp
import numpy as np
import pybats.conjugates
from pybats.dglm import pois_dglm
from scipy import special, stats

HERE = os.path.dirname(os.path.abspath(__file__))
mp.mp.dps = 40
# PyBATS' search for alpha stops at an absolute residual of 1e-8, which is 1e-4 of a small variance.
pybats.conjugates.opt.root = functools.partial(pybats.conjugates.opt.root, tol=1e-15)


def write(name, header, rows):
    with open(os.path.join(HERE, name), "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)


def text(x):
    return mp.nstr(x, 20) if isinstance(x, mp.mpf) else repr(x)


def polygammas():
    for k in range(-24, 49):
        for x in (10 ** (k / 4), 10 ** (k / 4) * 1.37):
            yield [repr(x)] + [text(mp.polygamma(n, mp.mpf(x))) for n in range(3)]


def inverses():
    for k in range(-48, 25):
        q = min(max(10 ** (k / 4), 1e-12), 1e6)
        x = mp.mpf(1) / q + 0.5 if q < 1.8 else 1 / mp.sqrt(q)
        for _ in range(60):
            p = mp.polygamma(1, x)
            x += p * (1 - p / q) / mp.polygamma(2, x)
        yield [repr(q), text(x)]


def ln_pmf(size, mean, y):
    size, mean = mp.mpf(size), mp.mpf(mean)
    odds = mean / (size + mean)
    return mp.loggamma(size + y) - mp.loggamma(size) - mp.loggamma(mp.mpf(y) + 1) + size * mp.log(1 - odds) + y * mp.log(odds)


def integral(a, b, x):
    """I_x(a, b), the regularised incomplete beta function, by quadrature with t = x exp(-u): smooth, and fast where sums are long."""
    steps = [mp.mpf(0)] + [mp.mpf(4) ** k for k in range(-34, 8)]
    ln_at = lambda u: -a * u + (b - 1) * mp.log((1 - x * mp.exp(-u)) / (1 - x))
    kept = [u for u, before in zip(steps, [mp.mpf(0)] + steps) if ln_at(before) > -120]
    leading = a * mp.log(x) + (b - 1) * mp.log(1 - x) + mp.loggamma(a + b) - mp.loggamma(a) - mp.loggamma(b)
    return mp.exp(leading) * mp.quad(lambda u: mp.exp(ln_at(u)), kept, method="gauss-legendre", maxdegree=5)


def tail(size, mean, y, up):
    """P(Y >= y) or P(Y <= y), the smaller one by sum or integral and the other by subtraction from 1."""
    if up and y == 0:
        return mp.mpf(1)
    if up != (y > mean):
        return 1 - tail(size, mean, y - 1 if up else y + 1, not up)
    size, mean = mp.mpf(size), mp.mpf(mean)
    odds, at = mean / (size + mean), mp.mpf(y)
    if mean + mean * mean / size > 1e6:
        return integral(at, size, odds) if up else integral(size, at + 1, size / (size + mean))
    term, total = mp.mpf(1), mp.mpf(1)
    while (up or at > 0) and term > total * mp.mpf(10) ** -30:
        term *= (size + at) * odds / (at + 1) if up else at / ((size + at - 1) * odds)
        total += term
        at += 1 if up else -1
    return mp.exp(ln_pmf(size, mean, y)) * total


def rough(size, mean, y):
    odds = mean / (size + mean)
    return (math.lgamma(size + y) - math.lgamma(size) - math.lgamma(y + 1) - size * math.log1p(mean / size) + y * math.log(odds))


def negbins():
    for size in (0.01, 0.2, 1.0, 5.0, 100.0, 1e4, 1e7, 1e9):
        for mean in (1e-6, 0.01, 1.0, 30.0, 1e3, 1e6, 1e9):
            counts = {0, 1, max(int(mean), 1), 1_000_000_000}
            for goal in (-2.0, -23.0, -230.0, -690.0):
                low, high = int(mean), 1_000_000_000
                while high - low > 1:
                    middle = (low + high) // 2
                    low, high = (middle, high) if rough(size, mean, middle) > goal else (low, middle)
                counts.add(high)
                low, high = 0, int(mean)
                while high - low > 1:
                    middle = (low + high) // 2
                    low, high = (low, middle) if rough(size, mean, middle) > goal else (middle, high)
                counts.add(low)
            for y in sorted(counts):
                upper, lower = tail(size, mean, y, True), tail(size, mean, y, False)
                yield [repr(size), repr(mean), y, text(ln_pmf(size, mean, y)), text(mp.log(upper)), text(mp.log(lower))]


class RandomEffect(pois_dglm):
    """PyBATS' filter with the noise of the grid's smallest dispersion, (1.001 - 1) exp(-f), added to the log rate's variance."""

    def get_mean_and_var(self, F, a, R):
        f, q = super().get_mean_and_var(F, a, R)
        return f, q + (1.001 - 1.0) * math.exp(-f)


LEVEL, SLOPE, ANNUAL = 0.97, 0.99, 0.995


def pybats_runs():
    chance = np.random.default_rng(20261124)
    for name, mean in (("quiet", 0.7), ("middling", 12.0), ("busy", 200.0)):
        rows = [[1.0, 0.0] + [v for k in (1, 2) for v in (math.cos(2 * math.pi * k * t / 52), math.sin(2 * math.pi * k * t / 52))]
                for t in range(156)]
        counts = [int(chance.poisson(mean * math.exp(0.4 * row[2] - 0.2 * row[5] + 0.003 * t))) for t, row in enumerate(rows)]
        discounts = np.array([LEVEL, SLOPE] + [ANNUAL] * 4)
        both = np.sqrt(np.outer(discounts, discounts))
        evolution = np.eye(6)
        evolution[0, 1] = 1.0
        prior = np.diag([1.0, 1e-4] + [0.2] * 4)
        models = []
        for kind in (RandomEffect, pois_dglm):
            model = kind(a0=np.array([math.log(mean)] + [0.0] * 5), R0=evolution @ prior @ evolution.T / both,
                         ntrend=2, nregn=4, interpolate=False)
            model.Discount = both  # every covariance is discounted, as sqrt(d_i d_j); PyBATS' own leaves those between blocks alone
            models.append(model)
        for t, (row, y) in enumerate(zip(rows, counts)):
            said = []
            for model in models:
                F = model.F.copy()
                F[model.iregn, 0] = row[2:]
                f, q = model.get_mean_and_var(F, model.a, model.R)
                alpha, beta = model.get_conjugate_params(f, q, 1.0, 1.0)
                said += [repr(float(alpha)), repr(float(beta)), repr(float(alpha / beta))]
                model.update(y=y, X=np.array(row[2:]))
            yield [name, t, y] + said


write("pybats.csv", ["series", "week", "count", "alpha", "beta", "mean", "plain_alpha", "plain_beta", "plain_mean"], pybats_runs())
write("polygamma.csv", ["x", "digamma", "trigamma", "tetragamma"], polygammas())
write("trigamma_inverse.csv", ["q", "x"], inverses())
write("negbin.csv", ["size", "mean", "count", "ln_pmf", "ln_upper", "ln_lower"], negbins())


def read(name):
    with open(os.path.join(HERE, name), newline="") as f:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(f)]


def off(got, want):
    return abs(got - want) / max(1.0, abs(want))


def scipy_tails():
    for row in read("negbin.csv"):
        size, mean, y = row["size"], row["mean"], row["count"]
        p = size / (size + mean)
        for name, got in (("ln_upper", stats.nbinom.logsf(y - 1, size, p)), ("ln_lower", stats.nbinom.logcdf(y, size, p))):
            if mean / size > 1e-12 and -690.0 < row[name] < -1e-15:
                yield off(got, row[name])


def scipy_polygammas():
    for row in read("polygamma.csv"):
        yield off(special.digamma(row["x"]), row["digamma"])
        yield off(special.polygamma(1, row["x"]), row["trigamma"])
        yield off(special.polygamma(2, row["x"]), row["tetragamma"])
    for row in read("trigamma_inverse.csv"):
        yield off(special.polygamma(1, row["x"]), row["q"])


for name, differences, most in (("tails", scipy_tails(), 3e-8), ("polygammas", scipy_polygammas(), 1e-15)):
    differences = list(differences)
    print(f"{name}: {len(differences)} held to SciPy, off by {max(differences):.1e} at most")
    assert max(differences) <= most
