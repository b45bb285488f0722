# The cohort query of benchmarks/cohort_query.py with data.table, its loading in the time.
suppressMessages(library(data.table))
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
codes <- strsplit(arguments[2], ",")[[1]]
setDTthreads(as.integer(arguments[3]))
started <- proc.time()[["elapsed"]]

code <- fread(file.path(folder, "pato.csv"))
person <- fread(file.path(folder, "cpr3_t_person.csv"))
contact <- fread(file.path(folder, "t_adm.csv"))
diagnosis <- fread(file.path(folder, "t_diag.csv"))

candidate <- code[substr(c_snomedkode, 1, 5) %chin% codes, .(index_date = min(d_rekvdato)), person_id]
cohort <- person[is_number_in_force == TRUE][candidate, on = "person_id", nomatch = NULL]
before <- contact[candidate, on = "person_id", nomatch = NULL]
answer <- c(
  nrow(cohort),
  sum(cohort$c_kon == "K"),
  sum(as.numeric(cohort$index_date) - as.numeric(cohort$d_foddato)),
  nrow(before[d_inddto < index_date & d_inddto >= index_date - 365L]),
  nrow(diagnosis[candidate, on = "person_id", nomatch = NULL])
)
seconds <- proc.time()[["elapsed"]] - started
cat(sprintf('{"seconds": %f, "answer": [%s]}\n', seconds, paste(format(answer, scientific = FALSE, trim = TRUE), collapse = ", ")))
