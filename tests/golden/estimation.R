# Golden values for tests/test_golden_estimation.py, from R's own packages on data invented here.
# Run in this folder: Rscript estimation.R   (writes estimation_*.csv and estimation_session.txt)
suppressMessages({library(survival); library(prodlim); library(cmprsk); library(etm)})
set.seed(20250113)

# ---------------------------------------------------------------- data
made <- function(set, n, causes, last, scale = 20, probability = NULL) {
  time <- pmin(ceiling(rexp(n, 1 / scale)), last)
  if (is.null(probability)) probability <- rep(1, causes + 1)
  data.frame(set, time, event = sample(0:causes, n, TRUE, probability), entry = 0, weight = 1)
}
ties <- made("ties", 300, 2, 40)
tencauses <- made("tencauses", 500, 10, 60)
untied <- made("untied", 200, 2, 40); untied$time <- round(untied$time + runif(200), 6)
rare <- made("rare", 250, 2, 30, probability = c(8, .2, 2))
noevents <- made("noevents", 40, 2, 30, probability = c(1, 0, 0))
onlydeath <- made("onlydeath", 40, 2, 30, probability = c(1, 0, 1))
nocompeting <- made("nocompeting", 60, 1, 30)
one <- data.frame(set = "one", time = 7, event = 1, entry = 0, weight = 1)
exhausted <- rbind(made("exhausted", 12, 2, 20, probability = c(1, 2, 2)),
                   data.frame(set = "exhausted", time = 21, event = 2, entry = 0, weight = 1))
atzero <- rbind(made("atzero", 50, 2, 20),
                data.frame(set = "atzero", time = 0, event = rep(0:2, 3), entry = 0, weight = 1))
years <- made("years", 180, 2, 2500, scale = 1500); years$time <- years$time / 365.25
entry <- made("entry", 300, 2, 60); entry$entry <- floor(runif(300) * entry$time * .8)
weight <- made("weight", 200, 2, 40); weight$weight <- round(runif(200, .2, 4), 3)
both <- made("both", 250, 3, 60); both$entry <- floor(runif(250) * both$time * .7)
both$weight <- round(runif(250, .2, 4), 3)
data <- rbind(ties, tencauses, untied, rare, noevents, onlydeath, nocompeting, one, exhausted,
              atzero, years, entry, weight, both)
data$group <- sample(c("a", "b", "c"), nrow(data), TRUE, c(3, 2, 1))
data$group[data$set == "one"] <- "a"
data$stratum <- sample(1:3, nrow(data), TRUE)
data$x1 <- rnorm(nrow(data)); data$x1 <- round(data$x1, 3)
data$x2 <- sample(0:1, nrow(data), TRUE)
data$cluster <- sample(1:60, nrow(data), TRUE)
write.csv(data, "estimation_people.csv", row.names = FALSE, quote = FALSE)
data <- read.csv("estimation_people.csv")

digits <- function(x) ifelse(is.na(x), "", trimws(formatC(x, digits = 17, format = "g")))
save <- function(frame, name) {
  for (column in names(frame)) if (is.double(frame[[column]])) frame[[column]] <- digits(frame[[column]])
  write.csv(frame, paste0("estimation_", name, ".csv"), row.names = FALSE, quote = FALSE)
}

# ---------------------------------------------------------------- risks
horizons <- function(d) {
  if (d$set[1] == "years") c(1, 2.5, 5) else c(3, 10, 20, 35)
}
cut <- function(step, values, at) c(0, values)[findInterval(at, step) + 1]
risks <- NULL
transforms <- NULL
for (set in unique(data$set)) {
  d <- data[data$set == set, ]
  causes <- sort(setdiff(unique(d$event), 0))
  if (!length(causes)) next
  late <- any(d$entry > 0); weighted <- any(d$weight != 1)
  top <- max(2, causes)
  status <- factor(d$event, 0:top)
  # Entry is moved below 0 so that survfit takes an event at time 0, as without entry.
  response <- if (late) Surv(ifelse(d$entry == 0, -1, d$entry), d$time, status) else Surv(d$time, status)
  fit <- survfit(response ~ 1, weights = d$weight, id = seq_len(nrow(d)), influence = TRUE)
  # survfit 3.5 ignores cluster = for these curves, so its own influences are summed by cluster; the
  # area under an influence is that of the mean time lost. Column 1 of them is the start.
  influence <- d$weight * fit$influence.pstate[, -1, , drop = FALSE]
  stopifnot(all.equal(as.vector(sqrt(colSums(influence[, , 2, drop = FALSE]^2))), fit$std.err[, 2]))
  aj <- if (!late && !weighted && set != "one") prodlim(Hist(time, event) ~ 1, data = d)
  et <- if (late && !weighted) {
    transition <- matrix(FALSE, top + 1, top + 1); transition[1, -1] <- TRUE
    long <- data.frame(id = seq_len(nrow(d)), from = 0, to = ifelse(d$event == 0, "cens", d$event),
                       entry = d$entry, exit = d$time)
    etm(long, as.character(0:top), transition, "cens", s = 0)
  }
  gray_free <- if (!late && !weighted && set != "one") cuminc(d$time, d$event)
  for (cause in causes) for (horizon in horizons(d)) {
    k <- cause + 1
    value <- function(f, what) cut(f$time, f[[what]][, k], horizon)
    row <- data.frame(set, cause, horizon,
      survfit = value(fit, "pstate"), survfit_error = value(fit, "std.err"),
      cluster_error = NA_real_,
      prodlim = NA_real_, prodlim_error = NA_real_, etm = NA_real_, etm_error = NA_real_,
      cuminc = NA_real_, cuminc_error = NA_real_,
      lost = NA_real_, lost_error = NA_real_)
    last <- findInterval(horizon, fit$time)
    if (last > 0) {
      row$cluster_error <- sqrt(sum(rowsum(influence[, last, k], d$cluster)^2))
      wide <- diff(c(fit$time[seq_len(last)], horizon))
      row$lost_error <- sqrt(sum((matrix(influence[, seq_len(last), k], nrow(d)) %*% wide)^2))
    }
    if (!is.null(aj)) {
      name <- as.character(cause)
      # prodlim has other names for a single cause
      ci <- if (is.list(aj$cuminc)) aj$cuminc[[name]] else 1 - aj$surv
      se <- if (is.list(aj$se.cuminc)) aj$se.cuminc[[name]] else aj$se.surv
      row$prodlim <- cut(aj$time, ci, horizon); row$prodlim_error <- cut(aj$time, se, horizon)
    }
    if (!is.null(et)) {
      p <- trprob(et, paste("0", cause)); v <- trcov(et, paste("0", cause))
      row$etm <- cut(et$time, p, horizon); row$etm_error <- sqrt(cut(et$time, v, horizon))
    }
    if (!is.null(gray_free)) {
      at <- timepoints(gray_free, horizon)
      row$cuminc <- at$est[paste("1", cause), 1]; row$cuminc_error <- sqrt(at$var[paste("1", cause), 1])
    }
    if (horizon <= max(d$time) && horizon > min(d$time))
      row$lost <- summary(fit, rmean = horizon)$table[k, "rmean"]
    risks <- rbind(risks, row)
    for (level in c(.95, .8)) for (kind in c("plain", "log", "log-log")) {
      p <- row$survfit; s <- row$survfit_error
      limit <- survival:::survfit_confint(p, s, logse = FALSE, conf.type = kind, conf.int = level)
      transforms <- rbind(transforms, data.frame(set, cause, horizon, level, kind,
                                                 lower = limit$lower, upper = limit$upper))
    }
    if (!is.null(et)) {
      s <- summary(et, ci.fun = "cloglog")[[paste("0", cause)]]
      i <- max(which(s$time <= horizon), 0)
      if (i > 0) transforms <- rbind(transforms, data.frame(set, cause, horizon, level = .95,
        kind = "cloglog", lower = s$lower[i], upper = s$upper[i]))
    }
  }
}
save(risks, "risks"); save(transforms, "transforms")

# ---------------------------------------------------------------- two groups
contrasts <- NULL
for (set in c("ties", "years", "untied")) for (cause in 1:2) {
  d <- data[data$set == set & data$group %in% c("a", "b"), ]
  horizon <- horizons(d)[3]
  fit <- summary(survfit(Surv(time, factor(event, 0:2)) ~ group, data = d), times = horizon)
  p <- fit$pstate[, cause + 1]; s <- fit$std.err[, cause + 1]
  difference <- p[2] - p[1]; error <- sqrt(sum(s^2))
  logs <- sqrt(sum((s / p)^2)); z <- qnorm(.975)
  contrasts <- rbind(contrasts, data.frame(set, cause, horizon, risk_difference = difference,
    std_error = error, p_value = 2 * pnorm(-abs(difference / error)), risk_ratio = p[2] / p[1],
    ratio_lower = p[2] / p[1] * exp(-z * logs), ratio_upper = p[2] / p[1] * exp(z * logs)))
}
save(contrasts, "contrasts")

gray <- NULL
for (set in c("ties", "tencauses", "untied", "rare", "years", "atzero", "exhausted", "onlydeath", "nocompeting"))
  for (stratified in c(FALSE, TRUE)) {
    d <- data[data$set == set, ]
    if (length(unique(d$group)) < 2) next
    test <- if (stratified) cuminc(d$time, d$event, d$group, strata = d$stratum)$Tests
            else cuminc(d$time, d$event, d$group)$Tests
    if (is.null(test)) next
    gray <- rbind(gray, data.frame(set, stratified, cause = as.integer(rownames(test)),
                                   statistic = test[, "stat"], p_value = test[, "pv"],
                                   degrees_of_freedom = test[, "df"]))
  }
save(gray, "gray")

# ---------------------------------------------------------------- pseudo-values and regression
pseudo_rows <- NULL
for (set in c("ties", "untied", "exhausted", "entry")) {
  d <- data[data$set == set, ]
  horizon <- if (set == "exhausted") 12 else 20
  late <- set == "entry"
  fit <- if (late) survfit(Surv(ifelse(entry == 0, -1, entry), time, factor(event, 0:2)) ~ 1, data = d, id = seq_len(nrow(d)))
         else survfit(Surv(time, factor(event, 0:2)) ~ 1, data = d)
  infinitesimal <- pseudo(fit, times = horizon)
  leave_out <- if (late) NULL else jackknife(prodlim(Hist(time, event) ~ 1, data = d), times = horizon, cause = 1)
  pseudo_rows <- rbind(pseudo_rows, data.frame(set, horizon, row = seq_len(nrow(d)),
    jackknife = if (late) NA_real_ else as.numeric(leave_out),
    infinitesimal = as.numeric(infinitesimal[, 2])))
}
save(pseudo_rows, "pseudo")

models <- NULL
keep <- function(model, set, cause, coefficients, covariance)
  models <<- rbind(models, data.frame(model, set, cause, column = c("x1", "x2"),
    coefficient = as.numeric(coefficients), std_error = sqrt(diag(covariance))))
for (set in c("ties", "untied", "years", "tencauses", "atzero")) for (cause in 1:2) {
  d <- data[data$set == set, ]
  # crr takes the censoring of time 0 as past at time 0 itself; a day later for all changes nothing
  # but that.
  fg <- crr(d$time + 1, d$event, cbind(d$x1, d$x2), failcode = cause, gtol = 1e-13, maxiter = 100)
  keep("fine_gray", set, cause, fg$coef, fg$var)
  cs <- coxph(Surv(time, event == cause) ~ x1 + x2, data = d, eps = 1e-13, toler.chol = 1e-14, iter.max = 50)
  keep("cox", set, cause, coef(cs), vcov(cs))
}
for (cause in 1:2) {
  d <- data[data$set == "entry", ]
  cs <- coxph(Surv(ifelse(entry == 0, -1, entry), time, event == cause) ~ x1 + x2, data = d, eps = 1e-13, toler.chol = 1e-14, iter.max = 50)
  keep("cox", "entry", cause, coef(cs), vcov(cs))
}
save(models, "models")

# ---------------------------------------------------------------- follow-up
follow <- NULL
for (set in c("ties", "untied", "rare", "years")) {
  d <- data[data$set == set, ]
  reverse <- prodlim(Hist(time, event != 0) ~ 1, data = d, reverse = TRUE)
  q <- function(p) { i <- which(reverse$surv <= 1 - p + 1e-12); if (length(i)) reverse$time[i[1]] else NA }
  follow <- rbind(follow, data.frame(set, lower_quartile = q(.25), median = q(.5), upper_quartile = q(.75)))
}
save(follow, "follow_up")

writeLines(c(R.version.string, sapply(c("survival", "prodlim", "cmprsk", "etm"),
  function(p) paste(p, packageVersion(p)))), "estimation_session.txt")
