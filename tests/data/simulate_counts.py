#!/usr/bin/env python3
"""Writes simulated_daily.csv, simulated_daily_truth.csv and simulated_numbered.csv beside itself: no real counts, a fixed seed.

Four series of 500 days from a Monday, Poisson with weekdays: two controls, one with a surge to three times its mean for 14 days
from row 451, one with a drop to a fifth for 21 days from row 461. The numbered file is the same counts by bucket number, with
exposure and labels in place of the truth file.
"""
import datetime
import math
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))
DAYS = 500
WEEK = [0.9, 1.0, 1.0, 1.1, 1.3, 1.0, 0.7]
SERIES = [("simulated-quiet", 2.0, None), ("simulated-busy", 40.0, None),
          ("simulated-surge", 12.0, ("surge", 451, 464, 3.0)), ("simulated-drop", 30.0, ("drop", 461, 481, 0.2))]

chance = random.Random(20261123)


def poisson(mean):
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


daily, numbered = ["series_id,date,count"], ["series,t,count,exposure,label"]
truth = ["series_id,scenario,shape,a,control,eval_start,eval_end,onset,end"]
for name, mean, episode in SERIES:
    label, onset, end, factor = episode or ("", 0, -1, 1.0)
    truth.append(f"{name},{1 if mean > 10 else 2},{label or 'none'},{factor},{int(not episode)},366,{DAYS},"
                 + (f"{onset},{end}" if episode else ","))
    for t in range(1, DAYS + 1):
        inside = onset <= t <= end
        count = poisson(mean * WEEK[(t - 1) % 7] * (factor if inside else 1.0))
        day = datetime.date(2001, 1, 1) + datetime.timedelta(days=t - 1)
        daily.append(f"{name},{day},{count}")
        numbered.append(f"{name},{t},{count},1,{label if inside else ''}")

for file, lines in [("daily", daily), ("daily_truth", truth), ("numbered", numbered)]:
    with open(os.path.join(HERE, f"simulated_{file}.csv"), "w", newline="\n") as out:
        out.write("\n".join(lines) + "\n")
