# Golden values for tests/test_competing_risks.py. Run in this folder: Rscript competing_risks.R
# prodlim gives no standard error once the risk set is exhausted; survfit does.
# The data are invented here, with many ties; "few" is followed until its risk set is exhausted.
suppressMessages({library(prodlim); library(survival)})
set.seed(1826)
made <- function(group, n, last, risk) {
  time <- pmin(ceiling(rexp(n, 1 / 20)), last)
  event <- sample(0:2, n, replace = TRUE, prob = c(1 - sum(risk), risk))
  data.frame(group = group, time = time, event = event)
}
people <- rbind(made("many", 400, 40, c(0.30, 0.25)),
                made("rare", 150, 40, c(0.03, 0.40)),
                made("few", 9, 30, c(0.50, 0.40)))
people$event[people$group == "few" & people$time == max(people$time[people$group == "few"])] <- 2
people <- people[order(people$group, people$time, people$event), ]
write.csv(people, "competing_risks_people.csv", row.names = FALSE, quote = FALSE)

values <- NULL
for (group in unique(people$group)) {
  one <- people[people$group == group, ]
  aj <- prodlim(Hist(time, event) ~ 1, data = one)
  ij <- survfit(Surv(time, factor(event, 0:2)) ~ 1, data = one)
  for (cause in 1:2) for (horizon in c(2, 5, 12, 20, 30)) {
    row <- max(which(aj$time <= horizon))
    jackknife <- summary(ij, times = min(horizon, max(one$time)))
    values <- rbind(values, data.frame(
      group, cause, horizon,
      risk = aj$cuminc[[cause]][row], std_error = aj$se.cuminc[[cause]][row],
      survfit_risk = jackknife$pstate[, cause + 1],
      survfit_std_error = jackknife$std.err[, cause + 1]))
  }
}
options(digits = 15)
write.csv(values, "competing_risks_values.csv",
          row.names = FALSE, quote = FALSE)
cat(R.version.string, "prodlim", format(packageVersion("prodlim")),
    "survival", format(packageVersion("survival")), "\n")
