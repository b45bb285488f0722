-- One row per study, group, characteristic and level: persons of the cohort on it at baseline.
-- Groups are the whole cohort (all) and the levels of the study's `baseline_by`. Every level has a
-- row, with nobody on it too, and so has what is missing. A characteristic that is a number has the
-- level `known` with its median and quartiles.
with

studies as (

    select * from {{ source('study', 'study') }}

),

all_levels as (

    select
        study_id,
        factor,
        level
    from {{ source('study', 'level') }}

    union all

    select
        study_id,
        factor,
        'missing' as level
    from {{ source('study', 'factor') }}

),

cohort as (

    select * from {{ ref('cohort') }}

),

factors as (

    select
        study_id,
        person_id,
        factor,
        coalesce(level, 'missing') as level
    from {{ ref('factor') }}

),

numbers as (

    select * from {{ ref('int_baseline_number') }}

),

groups as (

    select
        studies.study_id,
        'all' as group_level
    from studies

    union all

    select
        studies.study_id,
        all_levels.level as group_level
    from studies
    inner join all_levels
        on
            studies.study_id = all_levels.study_id
            and studies.baseline_by = all_levels.factor

),

members as (

    select
        study_id,
        person_id,
        'all' as group_level
    from cohort

    union all

    select
        studies.study_id,
        factors.person_id,
        factors.level as group_level
    from studies
    inner join factors
        on
            studies.study_id = factors.study_id
            and studies.baseline_by = factors.factor

),

group_sizes as (

    select
        groups.study_id,
        groups.group_level,
        count(members.person_id) as n_group
    from groups
    left join members
        on
            groups.study_id = members.study_id
            and groups.group_level = members.group_level
    group by
        groups.study_id,
        groups.group_level

),

persons_on_levels as (

    select
        members.study_id,
        members.group_level,
        factors.factor,
        factors.level,
        count(*) as n_persons
    from members
    inner join factors
        on
            members.study_id = factors.study_id
            and members.person_id = factors.person_id
    group by
        members.study_id,
        members.group_level,
        factors.factor,
        factors.level

),

counted as (

    select
        group_sizes.study_id,
        group_sizes.group_level,
        all_levels.factor as characteristic,
        all_levels.level,
        coalesce(persons_on_levels.n_persons, 0) as n_persons,
        group_sizes.n_group,
        cast(null as double) as median,
        cast(null as double) as lower_quartile,
        cast(null as double) as upper_quartile
    from group_sizes
    inner join all_levels on group_sizes.study_id = all_levels.study_id
    left join persons_on_levels
        on
            group_sizes.study_id = persons_on_levels.study_id
            and group_sizes.group_level = persons_on_levels.group_level
            and all_levels.factor = persons_on_levels.factor
            and all_levels.level = persons_on_levels.level

),

measured as (

    select
        members.study_id,
        members.group_level,
        numbers.characteristic,
        count(numbers.number_value) as n_known,
        {{ quantile('numbers.number_value', 0.5) }} as median,
        {{ quantile('numbers.number_value', 0.25) }} as lower_quartile,
        {{ quantile('numbers.number_value', 0.75) }} as upper_quartile
    from members
    inner join numbers
        on
            members.study_id = numbers.study_id
            and members.person_id = numbers.person_id
    group by
        members.study_id,
        members.group_level,
        numbers.characteristic

),

characteristics_with_numbers as (

    select distinct
        study_id,
        characteristic
    from numbers

),

measured_in_every_group as (

    select
        group_sizes.study_id,
        group_sizes.group_level,
        characteristics_with_numbers.characteristic,
        group_sizes.n_group,
        measured.median,
        measured.lower_quartile,
        measured.upper_quartile,
        coalesce(measured.n_known, 0) as n_known,
        group_sizes.n_group - coalesce(measured.n_known, 0) as n_missing
    from group_sizes
    inner join characteristics_with_numbers
        on group_sizes.study_id = characteristics_with_numbers.study_id
    left join measured
        on
            group_sizes.study_id = measured.study_id
            and group_sizes.group_level = measured.group_level
            and characteristics_with_numbers.characteristic = measured.characteristic

),

both_kinds as (

    select * from counted

    union all

    select
        study_id,
        group_level,
        characteristic,
        'known' as level,
        n_known as n_persons,
        n_group,
        median,
        lower_quartile,
        upper_quartile
    from measured_in_every_group

    union all

    select
        study_id,
        group_level,
        characteristic,
        'missing' as level,
        n_missing as n_persons,
        n_group,
        cast(null as double) as median,
        cast(null as double) as lower_quartile,
        cast(null as double) as upper_quartile
    from measured_in_every_group

)

select
    study_id,
    group_level,
    characteristic,
    level,
    cast(n_persons as bigint) as n_persons,
    cast(n_group as bigint) as n_group,
    cast(median as double) as median,
    cast(lower_quartile as double) as lower_quartile,
    cast(upper_quartile as double) as upper_quartile
from both_kinds
