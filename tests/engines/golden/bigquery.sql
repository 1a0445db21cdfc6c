-- winback-demo: audience, draw and moments for bigquery, written by Offerwise; it has not been run there.
-- Each source is the table of its name, with the columns of the definition. Sizes of strata, caps and pilots in it are
-- those of the data that it was written from, and the draw is the first batch; other experiments are left out.

-- Building the audience

CREATE OR REPLACE TEMPORARY TABLE `audience` AS
SELECT
  *,
  CASE `decided`.`refused_rule`
    WHEN 0
    THEN 'include'
    WHEN 1
    THEN 'exclude_lists'
    WHEN 2
    THEN 'holdout'
    WHEN 3
    THEN 'contact_caps'
    WHEN 4
    THEN 'contact_caps'
  END AS `refused_by`
FROM (
  SELECT
    `profile`.`member` AS `member`,
    CASE
      WHEN (
        `profile`.`column__tier` IN ('vip', 'svip')
      )
      THEN 'vip'
      WHEN (
        `profile`.`feature__days_since_last_order` <= 365
      )
      THEN 'near_dormant'
      WHEN TRUE
      THEN 'dormant'
    END AS `segment`,
    `profile`.`column__tier` AS `tier`,
    `profile`.`column__gender` AS `gender`,
    `profile`.`column__city_level` AS `city_level`,
    `profile`.`column__sms_opt_in` AS `sms_opt_in`,
    `profile`.`column__mobile_valid` AS `mobile_valid`,
    `profile`.`feature__days_since_last_order` AS `days_since_last_order`,
    `profile`.`feature__orders_365d` AS `orders_365d`,
    `profile`.`feature__spend_365d` AS `spend_365d`,
    `profile`.`feature__lifecycle` AS `lifecycle`,
    CAST(CASE
      WHEN NOT COALESCE(
        (
          (
            (
              `profile`.`feature__days_since_last_order` BETWEEN 181 AND 730
            )
            AND `profile`.`column__sms_opt_in`
          )
          AND `profile`.`column__mobile_valid`
        ),
        FALSE
      )
      THEN 0
      WHEN NOT `exclude_lists`.`list_0` IS NULL
      THEN 1
      WHEN SUBSTRING(TO_HEX(MD5(CONCAT('brand-standing-holdout|holdout|', `profile`.`member`))), 1, 13) < '051eb851eb852'
      THEN 2
      WHEN `profile`.`cap__0` >= 2
      THEN 3
      WHEN `profile`.`cap__1` >= 4
      THEN 4
    END AS INT64) AS `refused_rule`
  FROM (
    SELECT
      CAST(`members_rows`.`member_id` AS STRING) AS `member`,
      `members_rows`.`tier` AS `column__tier`,
      `members_rows`.`gender` AS `column__gender`,
      `members_rows`.`city_level` AS `column__city_level`,
      `members_rows`.`sms_opt_in` AS `column__sms_opt_in`,
      `members_rows`.`mobile_valid` AS `column__mobile_valid`,
      `events__orders`.`feature__days_since_last_order` AS `feature__days_since_last_order`,
      COALESCE(`events__orders`.`feature__orders_365d`, 0) AS `feature__orders_365d`,
      COALESCE(`events__orders`.`feature__spend_365d`, 0) AS `feature__spend_365d`,
      CASE
        WHEN (
          `events__orders`.`feature__days_since_last_order` >= 0
        )
        AND (
          `events__orders`.`feature__days_since_last_order` < 90
        )
        THEN 'active'
        WHEN (
          `events__orders`.`feature__days_since_last_order` >= 90
        )
        AND (
          `events__orders`.`feature__days_since_last_order` < 180
        )
        THEN 'silent'
        WHEN (
          `events__orders`.`feature__days_since_last_order` >= 180
        )
        AND (
          `events__orders`.`feature__days_since_last_order` < 365
        )
        THEN 'near_dormant'
        WHEN (
          `events__orders`.`feature__days_since_last_order` >= 365
        )
        AND (
          `events__orders`.`feature__days_since_last_order` < 730
        )
        THEN 'dormant'
        WHEN (
          `events__orders`.`feature__days_since_last_order` >= 730
        )
        THEN 'churned'
      END AS `feature__lifecycle`,
      COALESCE(`events__contacts`.`cap__0`, 0) AS `cap__0`,
      COALESCE(`events__contacts`.`cap__1`, 0) AS `cap__1`
    FROM `members` AS `members_rows`
    LEFT JOIN (
      SELECT
        `events`.`member_id` AS `event_key`,
        DATE_DIFF(
          CAST('2026-10-24' AS DATE),
          DATE(
            MAX(
              CASE
                WHEN (
                  (
                    (
                      `events`.`status` = 'paid'
                    )
                  )
                )
                THEN `events`.`paid_at`
              END
            ),
            'Asia/Shanghai'
          ),
          DAY
        ) AS `feature__days_since_last_order`,
        COUNT(
          CASE
            WHEN (
              (
                `events`.`paid_at` >= CAST('2025-10-23 16:00:00+00:00' AS TIMESTAMP)
              )
              AND (
                (
                  `events`.`status` = 'paid'
                )
              )
            )
            THEN 1
          END
        ) AS `feature__orders_365d`,
        SUM(
          CASE
            WHEN (
              (
                `events`.`paid_at` >= CAST('2025-10-23 16:00:00+00:00' AS TIMESTAMP)
              )
              AND (
                (
                  `events`.`status` = 'paid'
                )
              )
            )
            THEN (
              `events`.`amount` - `events`.`refund`
            )
          END
        ) AS `feature__spend_365d`
      FROM (
        SELECT
          *
        FROM `orders` AS `events`
        WHERE
          (
            `events`.`paid_at` < CAST('2026-10-23 16:00:00+00:00' AS TIMESTAMP)
          )
      ) AS events
      GROUP BY
        `events`.`member_id`
    ) AS `events__orders`
      ON `members_rows`.`member_id` = `events__orders`.`event_key`
    LEFT JOIN (
      SELECT
        `events`.`member_id` AS `event_key`,
        COUNT(
          CASE
            WHEN (
              (
                `events`.`sent_at` >= CAST('2026-09-23 16:00:00+00:00' AS TIMESTAMP)
              )
              AND (
                `events`.`channel` IN ('sms')
              )
              AND (
                `events`.`kind` = 'marketing'
              )
            )
            THEN 1
          END
        ) AS `cap__0`,
        COUNT(
          CASE
            WHEN (
              (
                `events`.`sent_at` >= CAST('2026-09-23 16:00:00+00:00' AS TIMESTAMP)
              )
              AND (
                `events`.`channel` IN ('sms', 'ai_call', 'wecom')
              )
            )
            THEN 1
          END
        ) AS `cap__1`
      FROM (
        SELECT
          *
        FROM `contacts` AS `events`
        WHERE
          (
            `events`.`sent_at` < CAST('2026-10-23 16:00:00+00:00' AS TIMESTAMP)
          )
          AND (
            `events`.`sent_at` >= CAST('2026-09-23 16:00:00+00:00' AS TIMESTAMP)
          )
      ) AS events
      GROUP BY
        `events`.`member_id`
    ) AS `events__contacts`
      ON `members_rows`.`member_id` = `events__contacts`.`event_key`
  ) AS profile
  LEFT JOIN (
    SELECT
      `member`,
      MAX(CASE WHEN (
        `place` = 0
      ) THEN 1 END) AS `list_0`
    FROM (
      SELECT
        CAST(`member_id` AS STRING) AS `member`,
        0 AS `place`
      FROM `exclude_lists_0` AS `exclude_lists_0`
    ) AS lists
    GROUP BY
      `member`
  ) AS exclude_lists
    ON `exclude_lists`.`member` = `profile`.`member`
) AS decided;

CREATE OR REPLACE TEMPORARY TABLE `ledger` AS
SELECT
  *
FROM (
  SELECT
    CAST(NULL AS STRING) AS `experiment`,
    CAST(NULL AS STRING) AS `member`,
    CAST(NULL AS STRING) AS `arm`,
    CAST(NULL AS STRING) AS `segment`,
    CAST(NULL AS STRING) AS `stratum`,
    CAST(NULL AS INT64) AS `batch`,
    CAST(NULL AS FLOAT64) AS `propensity`,
    CAST(NULL AS TIMESTAMP) AS `planned_send_at`,
    CAST(NULL AS TIMESTAMP) AS `assigned_at`,
    CAST(NULL AS STRING) AS `definition_sha256`
) AS nothing
LIMIT 0;

-- Drawing arms

CREATE OR REPLACE TEMPORARY TABLE `entering` AS
SELECT
  `member`,
  `segment`,
  `stratum`,
  `digits`
FROM (
  SELECT
    `people`.`member` AS `member`,
    `people`.`segment` AS `segment`,
    CONCAT(COALESCE(CAST(`people`.`segment` AS STRING), '\\N')) AS `stratum`,
    TO_HEX(MD5(CONCAT('winback-demo.1|', `people`.`member`))) AS `digits`
  FROM `audience` AS `people`
  LEFT JOIN `ledger` AS `before`
    ON `before`.`member` = `people`.`member`
  WHERE
    `people`.`refused_by` IS NULL AND `before`.`member` IS NULL
) AS candidates
ORDER BY
  TO_HEX(MD5(CONCAT('winback-demo.1|sample|', `member`))),
  `member`
LIMIT 850;

CREATE OR REPLACE TEMPORARY TABLE `rank_counts` AS
SELECT
  `stratum`,
  SUBSTRING(`digits`, 1, 2) AS `leading`,
  COUNT(*) AS `ranked`
FROM `entering`
GROUP BY
  `stratum`,
  SUBSTRING(`digits`, 1, 2);

CREATE OR REPLACE TEMPORARY TABLE `rank_wanted` AS
SELECT
  ends.stratum AS `stratum`,
  ends.place AS `place`,
  `running`.`leading` AS `leading`,
  ends.end_rank - (
    `running`.`upto` - `running`.`ranked`
  ) AS `earlier`
FROM UNNEST([
  STRUCT('near_dormant' AS stratum, 0 AS place, 99 AS end_rank),
  STRUCT('near_dormant' AS stratum, 1 AS place, 142 AS end_rank),
  STRUCT('near_dormant' AS stratum, 2 AS place, 184 AS end_rank),
  STRUCT('near_dormant' AS stratum, 3 AS place, 227 AS end_rank),
  STRUCT('near_dormant' AS stratum, 4 AS place, 269 AS end_rank),
  STRUCT('near_dormant' AS stratum, 5 AS place, 312 AS end_rank),
  STRUCT('dormant' AS stratum, 0 AS place, 79 AS end_rank),
  STRUCT('dormant' AS stratum, 1 AS place, 113 AS end_rank),
  STRUCT('dormant' AS stratum, 2 AS place, 147 AS end_rank),
  STRUCT('dormant' AS stratum, 3 AS place, 181 AS end_rank),
  STRUCT('dormant' AS stratum, 4 AS place, 215 AS end_rank),
  STRUCT('dormant' AS stratum, 5 AS place, 249 AS end_rank),
  STRUCT('vip' AS stratum, 0 AS place, 60 AS end_rank),
  STRUCT('vip' AS stratum, 1 AS place, 86 AS end_rank),
  STRUCT('vip' AS stratum, 2 AS place, 111 AS end_rank),
  STRUCT('vip' AS stratum, 3 AS place, 137 AS end_rank),
  STRUCT('vip' AS stratum, 4 AS place, 162 AS end_rank),
  STRUCT('vip' AS stratum, 5 AS place, 188 AS end_rank)
]) AS ends
LEFT JOIN (
  SELECT
    `stratum`,
    `leading`,
    `ranked`,
    CAST(SUM(`ranked`) OVER (PARTITION BY `stratum` ORDER BY `leading`) AS INT64) AS `upto`
  FROM `rank_counts`
) AS `running`
  ON `running`.`stratum` = ends.stratum
  AND ends.end_rank >= (
    `running`.`upto` - `running`.`ranked`
  )
  AND ends.end_rank < `running`.`upto`;

CREATE OR REPLACE TEMPORARY TABLE `rank_ends` AS
SELECT
  `rank_wanted`.`stratum` AS `stratum`,
  COALESCE(MAX(CASE WHEN (
    `rank_wanted`.`place` = 0
  ) THEN `found`.`digits` END), 'g') AS `digits_0`,
  MAX(CASE WHEN (
    `rank_wanted`.`place` = 0
  ) THEN `found`.`key` END) AS `key_0`,
  COALESCE(MAX(CASE WHEN (
    `rank_wanted`.`place` = 1
  ) THEN `found`.`digits` END), 'g') AS `digits_1`,
  MAX(CASE WHEN (
    `rank_wanted`.`place` = 1
  ) THEN `found`.`key` END) AS `key_1`,
  COALESCE(MAX(CASE WHEN (
    `rank_wanted`.`place` = 2
  ) THEN `found`.`digits` END), 'g') AS `digits_2`,
  MAX(CASE WHEN (
    `rank_wanted`.`place` = 2
  ) THEN `found`.`key` END) AS `key_2`,
  COALESCE(MAX(CASE WHEN (
    `rank_wanted`.`place` = 3
  ) THEN `found`.`digits` END), 'g') AS `digits_3`,
  MAX(CASE WHEN (
    `rank_wanted`.`place` = 3
  ) THEN `found`.`key` END) AS `key_3`,
  COALESCE(MAX(CASE WHEN (
    `rank_wanted`.`place` = 4
  ) THEN `found`.`digits` END), 'g') AS `digits_4`,
  MAX(CASE WHEN (
    `rank_wanted`.`place` = 4
  ) THEN `found`.`key` END) AS `key_4`,
  COALESCE(MAX(CASE WHEN (
    `rank_wanted`.`place` = 5
  ) THEN `found`.`digits` END), 'g') AS `digits_5`,
  MAX(CASE WHEN (
    `rank_wanted`.`place` = 5
  ) THEN `found`.`key` END) AS `key_5`
FROM `rank_wanted`
LEFT JOIN (
  SELECT
    `stratum`,
    `place`,
    `digits`,
    `key`
  FROM (
    SELECT
      `wanted`.`stratum` AS `stratum`,
      `wanted`.`place` AS `place`,
      `wanted`.`earlier` AS `earlier`,
      `keys`.`digits` AS `digits`,
      `keys`.`member` AS `key`,
      ROW_NUMBER() OVER (
        PARTITION BY `wanted`.`stratum`, `wanted`.`place`
        ORDER BY `keys`.`digits`, `keys`.`member`
      ) AS `rank`
    FROM `entering` AS `keys`
    JOIN `rank_wanted` AS `wanted`
      ON `wanted`.`stratum` = `keys`.`stratum`
      AND `wanted`.`leading` = SUBSTRING(`keys`.`digits`, 1, 2)
  ) AS `ranked`
  WHERE
    `rank` = `earlier` + 1
) AS `found`
  ON `found`.`stratum` = `rank_wanted`.`stratum`
  AND `found`.`place` = `rank_wanted`.`place`
GROUP BY
  `rank_wanted`.`stratum`;

-- Writing 850 members to the ledger

CREATE TABLE `assignments` AS
SELECT
  'winback-demo' AS `experiment`,
  `member` AS `member`,
  `arm` AS `arm`,
  `segment` AS `segment`,
  `stratum` AS `stratum`,
  CAST(0 AS INT64) AS `batch`,
  `propensity` AS `propensity`,
  `planned_send_at` AS `planned_send_at`,
  CAST('2026-11-21 02:00:00+00:00' AS TIMESTAMP) AS `assigned_at`,
  'f760e35efc2c0de699204e711f36089fb6aa4772f747fdb68232e57d2c0db0bd' AS `definition_sha256`
FROM (
  SELECT
    `member`,
    `segment`,
    `stratum`,
    `arm`,
    CASE
      WHEN `arm` IN ('control')
      THEN CAST('0.28' AS FLOAT64)
      ELSE CAST('0.12' AS FLOAT64)
    END AS `propensity`,
    CASE
      WHEN (
        (
          DIV(
            (
              (
                CAST(CONCAT('0x', SUBSTRING(TO_HEX(MD5(CONCAT('winback-demo.1|send|', `member`))), 1, 6)) AS INT64) * 1320
              ) + (
                DIV(
                  (
                    CAST(CONCAT('0x', SUBSTRING(TO_HEX(MD5(CONCAT('winback-demo.1|send|', `member`))), 7, 7)) AS INT64) * 1320
                  ),
                  268435456
                )
              )
            ),
            16777216
          )
        ) < 660
      )
      THEN TIMESTAMP_ADD(CAST('2026-10-25 01:00:00+00:00' AS TIMESTAMP), INTERVAL (
        (
          DIV(
            (
              (
                CAST(CONCAT('0x', SUBSTRING(TO_HEX(MD5(CONCAT('winback-demo.1|send|', `member`))), 1, 6)) AS INT64) * 1320
              ) + (
                DIV(
                  (
                    CAST(CONCAT('0x', SUBSTRING(TO_HEX(MD5(CONCAT('winback-demo.1|send|', `member`))), 7, 7)) AS INT64) * 1320
                  ),
                  268435456
                )
              )
            ),
            16777216
          )
        ) - 0
      ) MINUTE)
      ELSE TIMESTAMP_ADD(CAST('2026-10-26 01:00:00+00:00' AS TIMESTAMP), INTERVAL (
        (
          DIV(
            (
              (
                CAST(CONCAT('0x', SUBSTRING(TO_HEX(MD5(CONCAT('winback-demo.1|send|', `member`))), 1, 6)) AS INT64) * 1320
              ) + (
                DIV(
                  (
                    CAST(CONCAT('0x', SUBSTRING(TO_HEX(MD5(CONCAT('winback-demo.1|send|', `member`))), 7, 7)) AS INT64) * 1320
                  ),
                  268435456
                )
              )
            ),
            16777216
          )
        ) - 660
      ) MINUTE)
    END AS `planned_send_at`
  FROM (
    SELECT
      `entering`.`member` AS `member`,
      `entering`.`segment` AS `segment`,
      `entering`.`stratum` AS `stratum`,
      CASE
        WHEN `entering`.`digits` < `rank_ends`.`digits_0`
        OR (
          `entering`.`digits` = `rank_ends`.`digits_0`
          AND `entering`.`member` < `rank_ends`.`key_0`
        )
        THEN 'control'
        WHEN `entering`.`digits` < `rank_ends`.`digits_1`
        OR (
          `entering`.`digits` = `rank_ends`.`digits_1`
          AND `entering`.`member` < `rank_ends`.`key_1`
        )
        THEN 'pts500__care'
        WHEN `entering`.`digits` < `rank_ends`.`digits_2`
        OR (
          `entering`.`digits` = `rank_ends`.`digits_2`
          AND `entering`.`member` < `rank_ends`.`key_2`
        )
        THEN 'pts500__urgent'
        WHEN `entering`.`digits` < `rank_ends`.`digits_3`
        OR (
          `entering`.`digits` = `rank_ends`.`digits_3`
          AND `entering`.`member` < `rank_ends`.`key_3`
        )
        THEN 'cpn20__care'
        WHEN `entering`.`digits` < `rank_ends`.`digits_4`
        OR (
          `entering`.`digits` = `rank_ends`.`digits_4`
          AND `entering`.`member` < `rank_ends`.`key_4`
        )
        THEN 'cpn20__urgent'
        WHEN `entering`.`digits` < `rank_ends`.`digits_5`
        OR (
          `entering`.`digits` = `rank_ends`.`digits_5`
          AND `entering`.`member` < `rank_ends`.`key_5`
        )
        THEN 'gift__care'
        ELSE 'gift__urgent'
      END AS `arm`
    FROM `entering`
    LEFT JOIN `rank_ends`
      ON `rank_ends`.`stratum` = `entering`.`stratum`
  ) AS drawn
) AS assigned_rows;

CREATE OR REPLACE TEMPORARY TABLE `send_times` AS
SELECT
  `moments`.`planned_send_at` AS `planned_send_at`,
  FORMAT_TIMESTAMP('%Y-%m-%dT%H:%M:%S%Ez', `moments`.`planned_send_at`, 'Asia/Shanghai') AS `local`
FROM (
  SELECT DISTINCT
    `planned_send_at`
  FROM `assignments` AS `ledger`
) AS moments;

-- Writing the send list of pts500__care

SELECT
  `ledger`.`member` AS `member`,
  `ledger`.`arm` AS `arm`,
  'sms' AS `channel`,
  'copy/care.txt' AS `template`,
  `send_times`.`local` AS `planned_send_at`
FROM `assignments` AS `ledger`
LEFT JOIN `send_times`
  ON `ledger`.`planned_send_at` = `send_times`.`planned_send_at`
WHERE
  `ledger`.`arm` = 'pts500__care'
ORDER BY
  `ledger`.`planned_send_at`,
  `ledger`.`member`;

-- Writing the send list of pts500__urgent

SELECT
  `ledger`.`member` AS `member`,
  `ledger`.`arm` AS `arm`,
  'sms' AS `channel`,
  'copy/urgent.txt' AS `template`,
  `send_times`.`local` AS `planned_send_at`
FROM `assignments` AS `ledger`
LEFT JOIN `send_times`
  ON `ledger`.`planned_send_at` = `send_times`.`planned_send_at`
WHERE
  `ledger`.`arm` = 'pts500__urgent'
ORDER BY
  `ledger`.`planned_send_at`,
  `ledger`.`member`;

-- Writing the send list of cpn20__care

SELECT
  `ledger`.`member` AS `member`,
  `ledger`.`arm` AS `arm`,
  'sms' AS `channel`,
  'copy/care.txt' AS `template`,
  `send_times`.`local` AS `planned_send_at`
FROM `assignments` AS `ledger`
LEFT JOIN `send_times`
  ON `ledger`.`planned_send_at` = `send_times`.`planned_send_at`
WHERE
  `ledger`.`arm` = 'cpn20__care'
ORDER BY
  `ledger`.`planned_send_at`,
  `ledger`.`member`;

-- Writing the send list of cpn20__urgent

SELECT
  `ledger`.`member` AS `member`,
  `ledger`.`arm` AS `arm`,
  'sms' AS `channel`,
  'copy/urgent.txt' AS `template`,
  `send_times`.`local` AS `planned_send_at`
FROM `assignments` AS `ledger`
LEFT JOIN `send_times`
  ON `ledger`.`planned_send_at` = `send_times`.`planned_send_at`
WHERE
  `ledger`.`arm` = 'cpn20__urgent'
ORDER BY
  `ledger`.`planned_send_at`,
  `ledger`.`member`;

-- Writing the send list of gift__care

SELECT
  `ledger`.`member` AS `member`,
  `ledger`.`arm` AS `arm`,
  'sms' AS `channel`,
  'copy/care.txt' AS `template`,
  `send_times`.`local` AS `planned_send_at`
FROM `assignments` AS `ledger`
LEFT JOIN `send_times`
  ON `ledger`.`planned_send_at` = `send_times`.`planned_send_at`
WHERE
  `ledger`.`arm` = 'gift__care'
ORDER BY
  `ledger`.`planned_send_at`,
  `ledger`.`member`;

-- Writing the send list of gift__urgent

SELECT
  `ledger`.`member` AS `member`,
  `ledger`.`arm` AS `arm`,
  'sms' AS `channel`,
  'copy/urgent.txt' AS `template`,
  `send_times`.`local` AS `planned_send_at`
FROM `assignments` AS `ledger`
LEFT JOIN `send_times`
  ON `ledger`.`planned_send_at` = `send_times`.`planned_send_at`
WHERE
  `ledger`.`arm` = 'gift__urgent'
ORDER BY
  `ledger`.`planned_send_at`,
  `ledger`.`member`;

-- Comparing the arms before the experiment

CREATE OR REPLACE TEMPORARY TABLE `balanced` AS
SELECT
  `ledger`.`arm` AS `arm`,
  `ledger`.`segment` AS `segment`,
  `profile`.`tier` AS `tier`,
  `profile`.`gender` AS `gender`,
  `profile`.`city_level` AS `city_level`,
  `profile`.`sms_opt_in` AS `sms_opt_in`,
  `profile`.`mobile_valid` AS `mobile_valid`,
  `profile`.`days_since_last_order` AS `days_since_last_order`,
  `profile`.`orders_365d` AS `orders_365d`,
  `profile`.`spend_365d` AS `spend_365d`,
  `profile`.`lifecycle` AS `lifecycle`
FROM `assignments` AS `ledger`
LEFT JOIN `audience` AS `profile`
  ON `profile`.`member` = `ledger`.`member`;

-- Reading the ledger

CREATE OR REPLACE TEMPORARY TABLE `assigned` AS
SELECT
  `ledger`.`member` AS `member`,
  `ledger`.`arm` AS `arm`,
  `ledger`.`segment` AS `segment`,
  `ledger`.`stratum` AS `stratum`,
  `ledger`.`batch` AS `batch`,
  `ledger`.`propensity` AS `propensity`,
  `ledger`.`planned_send_at` AS `planned_send_at`,
  `profile`.`column__tier` AS `tier`,
  `profile`.`column__gender` AS `gender`,
  `profile`.`column__city_level` AS `city_level`,
  `profile`.`column__sms_opt_in` AS `sms_opt_in`,
  `profile`.`column__mobile_valid` AS `mobile_valid`,
  `profile`.`feature__days_since_last_order` AS `days_since_last_order`,
  `profile`.`feature__orders_365d` AS `orders_365d`,
  `profile`.`feature__spend_365d` AS `spend_365d`,
  `profile`.`feature__lifecycle` AS `lifecycle`
FROM `assignments` AS `ledger`
LEFT JOIN (
  SELECT
    CAST(`members_rows`.`member_id` AS STRING) AS `member`,
    `members_rows`.`tier` AS `column__tier`,
    `members_rows`.`gender` AS `column__gender`,
    `members_rows`.`city_level` AS `column__city_level`,
    `members_rows`.`sms_opt_in` AS `column__sms_opt_in`,
    `members_rows`.`mobile_valid` AS `column__mobile_valid`,
    `events__orders`.`feature__days_since_last_order` AS `feature__days_since_last_order`,
    COALESCE(`events__orders`.`feature__orders_365d`, 0) AS `feature__orders_365d`,
    COALESCE(`events__orders`.`feature__spend_365d`, 0) AS `feature__spend_365d`,
    CASE
      WHEN (
        `events__orders`.`feature__days_since_last_order` >= 0
      )
      AND (
        `events__orders`.`feature__days_since_last_order` < 90
      )
      THEN 'active'
      WHEN (
        `events__orders`.`feature__days_since_last_order` >= 90
      )
      AND (
        `events__orders`.`feature__days_since_last_order` < 180
      )
      THEN 'silent'
      WHEN (
        `events__orders`.`feature__days_since_last_order` >= 180
      )
      AND (
        `events__orders`.`feature__days_since_last_order` < 365
      )
      THEN 'near_dormant'
      WHEN (
        `events__orders`.`feature__days_since_last_order` >= 365
      )
      AND (
        `events__orders`.`feature__days_since_last_order` < 730
      )
      THEN 'dormant'
      WHEN (
        `events__orders`.`feature__days_since_last_order` >= 730
      )
      THEN 'churned'
    END AS `feature__lifecycle`,
    COALESCE(`events__contacts`.`cap__0`, 0) AS `cap__0`,
    COALESCE(`events__contacts`.`cap__1`, 0) AS `cap__1`
  FROM `members` AS `members_rows`
  LEFT JOIN (
    SELECT
      `events`.`member_id` AS `event_key`,
      DATE_DIFF(
        CAST('2026-10-24' AS DATE),
        DATE(
          MAX(
            CASE
              WHEN (
                (
                  (
                    `events`.`status` = 'paid'
                  )
                )
              )
              THEN `events`.`paid_at`
            END
          ),
          'Asia/Shanghai'
        ),
        DAY
      ) AS `feature__days_since_last_order`,
      COUNT(
        CASE
          WHEN (
            (
              `events`.`paid_at` >= CAST('2025-10-23 16:00:00+00:00' AS TIMESTAMP)
            )
            AND (
              (
                `events`.`status` = 'paid'
              )
            )
          )
          THEN 1
        END
      ) AS `feature__orders_365d`,
      SUM(
        CASE
          WHEN (
            (
              `events`.`paid_at` >= CAST('2025-10-23 16:00:00+00:00' AS TIMESTAMP)
            )
            AND (
              (
                `events`.`status` = 'paid'
              )
            )
          )
          THEN (
            `events`.`amount` - `events`.`refund`
          )
        END
      ) AS `feature__spend_365d`
    FROM (
      SELECT
        *
      FROM `orders` AS `events`
      WHERE
        (
          `events`.`paid_at` < CAST('2026-10-23 16:00:00+00:00' AS TIMESTAMP)
        )
    ) AS events
    GROUP BY
      `events`.`member_id`
  ) AS `events__orders`
    ON `members_rows`.`member_id` = `events__orders`.`event_key`
  LEFT JOIN (
    SELECT
      `events`.`member_id` AS `event_key`,
      COUNT(
        CASE
          WHEN (
            (
              `events`.`sent_at` >= CAST('2026-09-23 16:00:00+00:00' AS TIMESTAMP)
            )
            AND (
              `events`.`channel` IN ('sms')
            )
            AND (
              `events`.`kind` = 'marketing'
            )
          )
          THEN 1
        END
      ) AS `cap__0`,
      COUNT(
        CASE
          WHEN (
            (
              `events`.`sent_at` >= CAST('2026-09-23 16:00:00+00:00' AS TIMESTAMP)
            )
            AND (
              `events`.`channel` IN ('sms', 'ai_call', 'wecom')
            )
          )
          THEN 1
        END
      ) AS `cap__1`
    FROM (
      SELECT
        *
      FROM `contacts` AS `events`
      WHERE
        (
          `events`.`sent_at` < CAST('2026-10-23 16:00:00+00:00' AS TIMESTAMP)
        )
        AND (
          `events`.`sent_at` >= CAST('2026-09-23 16:00:00+00:00' AS TIMESTAMP)
        )
    ) AS events
    GROUP BY
      `events`.`member_id`
  ) AS `events__contacts`
    ON `members_rows`.`member_id` = `events__contacts`.`event_key`
) AS profile
  ON `profile`.`member` = `ledger`.`member`;

-- Reading feedback for unsubscribed, complained

CREATE OR REPLACE TEMPORARY TABLE `metric_values` AS
SELECT
  `assigned`.`member` AS `member`,
  `assigned`.`arm` AS `arm`,
  `assigned`.`segment` AS `segment`,
  `assigned`.`stratum` AS `stratum`,
  `assigned`.`batch` AS `batch`,
  `assigned`.`propensity` AS `propensity`,
  `assigned`.`planned_send_at` AS `planned_send_at`,
  `assigned`.`tier` AS `tier`,
  `assigned`.`gender` AS `gender`,
  `assigned`.`city_level` AS `city_level`,
  `assigned`.`sms_opt_in` AS `sms_opt_in`,
  `assigned`.`mobile_valid` AS `mobile_valid`,
  `assigned`.`days_since_last_order` AS `days_since_last_order`,
  `assigned`.`orders_365d` AS `orders_365d`,
  `assigned`.`spend_365d` AS `spend_365d`,
  `assigned`.`lifecycle` AS `lifecycle`,
  COALESCE(`source_orders`.`value__converted`, CAST(0 AS FLOAT64)) AS `value__converted`,
  COALESCE(`source_orders`.`value__net_revenue`, CAST(0 AS FLOAT64)) AS `value__net_revenue`,
  COALESCE(`source_orders`.`unknown__net_revenue`, 0) > 0 AS `missing__net_revenue`,
  COALESCE(`source_orders`.`value__paid_orders`, CAST(0 AS FLOAT64)) AS `value__paid_orders`,
  COALESCE(`source_redemptions`.`value__benefit_cost`, CAST(0 AS FLOAT64)) AS `value__benefit_cost`,
  COALESCE(`source_redemptions`.`unknown__benefit_cost`, 0) > 0 AS `missing__benefit_cost`,
  COALESCE(`source_feedback`.`value__unsubscribed`, CAST(0 AS FLOAT64)) AS `value__unsubscribed`,
  COALESCE(`source_feedback`.`value__complained`, CAST(0 AS FLOAT64)) AS `value__complained`,
  CAST((
    0 + arm_numbers.number + stratum_numbers.number
  ) AS INT64) AS `cell__number`
FROM `assigned` AS `assigned`
LEFT JOIN (
  SELECT
    `assigned`.`member` AS `member`,
    CAST(MAX(CASE WHEN (
      TRUE
    ) THEN 1 ELSE 0 END) AS FLOAT64) AS `value__converted`,
    COALESCE(
      CAST(SUM(
        CASE
          WHEN (
            TRUE
          )
          THEN (
            (
              `source_orders`.`amount` - `source_orders`.`refund`
            )
          )
        END
      ) AS FLOAT64),
      CAST(0 AS FLOAT64)
    ) AS `value__net_revenue`,
    MAX(
      CASE
        WHEN (
          (
            (
              (
                `source_orders`.`amount` - `source_orders`.`refund`
              )
            ) IS NULL
          )
        )
        THEN 1
        ELSE 0
      END
    ) AS `unknown__net_revenue`,
    CAST(COUNT(CASE WHEN (
      TRUE
    ) THEN 1 END) AS FLOAT64) AS `value__paid_orders`
  FROM `orders` AS `source_orders`
  JOIN `assigned` AS `assigned`
    ON CAST(`source_orders`.`member_id` AS STRING) = `assigned`.`member`
  WHERE
    (
      `source_orders`.`paid_at` >= CAST('2026-10-23 16:00:00+00:00' AS TIMESTAMP)
      AND `source_orders`.`paid_at` < CAST('2026-11-10 16:00:00+00:00' AS TIMESTAMP)
    )
    AND (
      `source_orders`.`paid_at` >= `assigned`.`planned_send_at`
      AND `source_orders`.`paid_at` < TIMESTAMP_ADD(`assigned`.`planned_send_at`, INTERVAL 336 HOUR)
    )
    AND (
      (
        (
          `source_orders`.`status` = 'paid'
        )
      )
    )
  GROUP BY
    `assigned`.`member`
) AS `source_orders`
  ON `source_orders`.`member` = `assigned`.`member`
LEFT JOIN (
  SELECT
    `assigned`.`member` AS `member`,
    COALESCE(
      CAST(SUM(CASE WHEN (
        TRUE
      ) THEN (
        `source_redemptions`.`unit_cost`
      ) END) AS FLOAT64),
      CAST(0 AS FLOAT64)
    ) AS `value__benefit_cost`,
    MAX(
      CASE
        WHEN (
          (
            (
              `source_redemptions`.`unit_cost`
            ) IS NULL
          )
        )
        THEN 1
        ELSE 0
      END
    ) AS `unknown__benefit_cost`
  FROM `redemptions` AS `source_redemptions`
  JOIN `assigned` AS `assigned`
    ON CAST(`source_redemptions`.`member_id` AS STRING) = `assigned`.`member`
  WHERE
    (
      `source_redemptions`.`redeemed_at` >= CAST('2026-10-23 16:00:00+00:00' AS TIMESTAMP)
      AND `source_redemptions`.`redeemed_at` < CAST('2026-11-10 16:00:00+00:00' AS TIMESTAMP)
    )
    AND (
      `source_redemptions`.`redeemed_at` >= `assigned`.`planned_send_at`
      AND `source_redemptions`.`redeemed_at` < TIMESTAMP_ADD(`assigned`.`planned_send_at`, INTERVAL 336 HOUR)
    )
  GROUP BY
    `assigned`.`member`
) AS `source_redemptions`
  ON `source_redemptions`.`member` = `assigned`.`member`
LEFT JOIN (
  SELECT
    `assigned`.`member` AS `member`,
    CAST(MAX(
      CASE
        WHEN (
          (
            `source_feedback`.`created_at` >= `assigned`.`planned_send_at`
            AND `source_feedback`.`created_at` < TIMESTAMP_ADD(`assigned`.`planned_send_at`, INTERVAL 168 HOUR)
          )
          AND (
            (
              (
                `source_feedback`.`kind` = 'unsubscribe'
              )
            )
          )
        )
        THEN 1
        ELSE 0
      END
    ) AS FLOAT64) AS `value__unsubscribed`,
    CAST(MAX(
      CASE
        WHEN (
          (
            (
              (
                `source_feedback`.`kind` = 'complaint'
              )
            )
          )
        )
        THEN 1
        ELSE 0
      END
    ) AS FLOAT64) AS `value__complained`
  FROM `feedback` AS `source_feedback`
  JOIN `assigned` AS `assigned`
    ON CAST(`source_feedback`.`member_id` AS STRING) = `assigned`.`member`
  WHERE
    (
      `source_feedback`.`created_at` >= CAST('2026-10-23 16:00:00+00:00' AS TIMESTAMP)
      AND `source_feedback`.`created_at` < CAST('2026-11-10 16:00:00+00:00' AS TIMESTAMP)
    )
    AND (
      `source_feedback`.`created_at` >= `assigned`.`planned_send_at`
      AND `source_feedback`.`created_at` < TIMESTAMP_ADD(`assigned`.`planned_send_at`, INTERVAL 336 HOUR)
    )
  GROUP BY
    `assigned`.`member`
) AS `source_feedback`
  ON `source_feedback`.`member` = `assigned`.`member`
JOIN UNNEST([
  STRUCT('control' AS arm_text, 0 AS number),
  STRUCT('cpn20__care' AS arm_text, 3 AS number),
  STRUCT('cpn20__urgent' AS arm_text, 6 AS number),
  STRUCT('gift__care' AS arm_text, 9 AS number),
  STRUCT('gift__urgent' AS arm_text, 12 AS number),
  STRUCT('pts500__care' AS arm_text, 15 AS number),
  STRUCT('pts500__urgent' AS arm_text, 18 AS number)
]) AS arm_numbers
  ON COALESCE(`assigned`.`arm`, '') = arm_numbers.arm_text
JOIN UNNEST([
  STRUCT('dormant' AS stratum_text, 0 AS number),
  STRUCT('near_dormant' AS stratum_text, 1 AS number),
  STRUCT('vip' AS stratum_text, 2 AS number)
]) AS stratum_numbers
  ON COALESCE(`assigned`.`stratum`, '') = stratum_numbers.stratum_text;

CREATE OR REPLACE TEMPORARY TABLE `units` AS
SELECT
  `member` AS `member`,
  `arm` AS `arm`,
  `segment` AS `segment`,
  `stratum` AS `stratum`,
  `batch` AS `batch`,
  `propensity` AS `propensity`,
  `planned_send_at` AS `planned_send_at`,
  `tier` AS `tier`,
  `gender` AS `gender`,
  `city_level` AS `city_level`,
  `sms_opt_in` AS `sms_opt_in`,
  `mobile_valid` AS `mobile_valid`,
  `days_since_last_order` AS `days_since_last_order`,
  `orders_365d` AS `orders_365d`,
  `spend_365d` AS `spend_365d`,
  `lifecycle` AS `lifecycle`,
  `cell__number` AS `cell__number`,
  `missing__net_revenue` AS `missing__net_revenue`,
  `missing__benefit_cost` AS `missing__benefit_cost`,
  CAST(`value__converted` AS FLOAT64) AS `metric__converted`,
  CAST(CASE
    WHEN (
      `value__net_revenue` > CAST('578.03' AS FLOAT64)
    )
    THEN CAST('578.03' AS FLOAT64)
    ELSE `value__net_revenue`
  END AS FLOAT64) AS `metric__net_revenue`,
  CAST(`value__paid_orders` AS FLOAT64) AS `metric__paid_orders`,
  CAST(`value__benefit_cost` AS FLOAT64) AS `metric__benefit_cost`,
  CAST((
    CAST((
      CAST((
        CAST(0.40 AS FLOAT64) * CAST((
          CASE
            WHEN (
              `value__net_revenue` > CAST('578.03' AS FLOAT64)
            )
            THEN CAST('578.03' AS FLOAT64)
            ELSE `value__net_revenue`
          END
        ) AS FLOAT64)
      ) AS FLOAT64) - CAST((
        `value__benefit_cost`
      ) AS FLOAT64)
    ) AS FLOAT64) - CAST(CASE `arm`
      WHEN 'pts500__care'
      THEN CAST('0.05' AS FLOAT64)
      WHEN 'pts500__urgent'
      THEN CAST('0.05' AS FLOAT64)
      WHEN 'cpn20__care'
      THEN CAST('0.05' AS FLOAT64)
      WHEN 'cpn20__urgent'
      THEN CAST('0.05' AS FLOAT64)
      WHEN 'gift__care'
      THEN CAST('0.05' AS FLOAT64)
      WHEN 'gift__urgent'
      THEN CAST('0.05' AS FLOAT64)
      ELSE CAST('0.0' AS FLOAT64)
    END AS FLOAT64)
  ) AS FLOAT64) AS `metric__profit`,
  CAST(`value__unsubscribed` AS FLOAT64) AS `metric__unsubscribed`,
  CAST(`value__complained` AS FLOAT64) AS `metric__complained`,
  CAST(`value__net_revenue` AS FLOAT64) AS `raw__net_revenue`,
  CAST((
    CAST((
      CAST((
        CAST(0.40 AS FLOAT64) * CAST((
          `value__net_revenue`
        ) AS FLOAT64)
      ) AS FLOAT64) - CAST((
        `value__benefit_cost`
      ) AS FLOAT64)
    ) AS FLOAT64) - CAST(CASE `arm`
      WHEN 'pts500__care'
      THEN CAST('0.05' AS FLOAT64)
      WHEN 'pts500__urgent'
      THEN CAST('0.05' AS FLOAT64)
      WHEN 'cpn20__care'
      THEN CAST('0.05' AS FLOAT64)
      WHEN 'cpn20__urgent'
      THEN CAST('0.05' AS FLOAT64)
      WHEN 'gift__care'
      THEN CAST('0.05' AS FLOAT64)
      WHEN 'gift__urgent'
      THEN CAST('0.05' AS FLOAT64)
      ELSE CAST('0.0' AS FLOAT64)
    END AS FLOAT64)
  ) AS FLOAT64) AS `raw__profit`,
  CAST(`orders_365d` AS FLOAT64) AS `covariate__orders_365d`,
  CAST(`spend_365d` AS FLOAT64) AS `covariate__spend_365d`,
  CAST(`days_since_last_order` AS FLOAT64) AS `covariate__days_since_last_order`
FROM `metric_values`;

-- Taking the moments of every metric by arm, segment and stratum

SELECT
  `cell`,
  COUNT(*) AS `n`,
  SUM(`z0`) AS `s0`,
  SUM(`z1`) AS `s1`,
  SUM(CAST(`x1` <> 0 AS INT64)) AS `k1`,
  SUM(`z2`) AS `s2`,
  SUM(CAST(`x2` <> 0 AS INT64)) AS `k2`,
  SUM(`z3`) AS `s3`,
  SUM(CAST(`x3` <> 0 AS INT64)) AS `k3`,
  SUM(`z4`) AS `s4`,
  SUM(CAST(`x4` <> 0 AS INT64)) AS `k4`,
  SUM(`z5`) AS `s5`,
  SUM(CAST(`x5` <> 0 AS INT64)) AS `k5`,
  SUM(`z6`) AS `s6`,
  SUM(CAST(`x6` <> 0 AS INT64)) AS `k6`,
  SUM(`z7`) AS `s7`,
  SUM(CAST(`x7` <> 0 AS INT64)) AS `k7`,
  SUM(`z8`) AS `s8`,
  SUM(`z9`) AS `s9`,
  SUM(`z10`) AS `s10`,
  SUM(CAST(`x10` <> 0 AS INT64)) AS `k10`,
  SUM(`z11`) AS `s11`,
  SUM(CAST(`x11` <> 0 AS INT64)) AS `k11`,
  SUM(`z0` * `z1`) AS `p0_1`,
  SUM(`z0` * `z2`) AS `p0_2`,
  SUM(`z0` * `z3`) AS `p0_3`,
  SUM(`z1` * `z1`) AS `p1_1`,
  SUM(`z1` * `z2`) AS `p1_2`,
  SUM(`z1` * `z3`) AS `p1_3`,
  SUM(`z1` * `z4`) AS `p1_4`,
  SUM(`z1` * `z5`) AS `p1_5`,
  SUM(`z1` * `z6`) AS `p1_6`,
  SUM(`z1` * `z7`) AS `p1_7`,
  SUM(`z1` * `z8`) AS `p1_8`,
  SUM(`z1` * `z9`) AS `p1_9`,
  SUM(`z2` * `z2`) AS `p2_2`,
  SUM(`z2` * `z3`) AS `p2_3`,
  SUM(`z2` * `z4`) AS `p2_4`,
  SUM(`z2` * `z5`) AS `p2_5`,
  SUM(`z2` * `z6`) AS `p2_6`,
  SUM(`z2` * `z7`) AS `p2_7`,
  SUM(`z2` * `z8`) AS `p2_8`,
  SUM(`z2` * `z9`) AS `p2_9`,
  SUM(`z3` * `z3`) AS `p3_3`,
  SUM(`z3` * `z4`) AS `p3_4`,
  SUM(`z3` * `z5`) AS `p3_5`,
  SUM(`z3` * `z6`) AS `p3_6`,
  SUM(`z3` * `z7`) AS `p3_7`,
  SUM(`z3` * `z8`) AS `p3_8`,
  SUM(`z3` * `z9`) AS `p3_9`,
  SUM(`z4` * `z4`) AS `p4_4`,
  SUM(`z4` * `z5`) AS `p4_5`,
  SUM(`z5` * `z5`) AS `p5_5`,
  SUM(`z5` * `z10`) AS `p5_10`,
  SUM(`z6` * `z6`) AS `p6_6`,
  SUM(`z7` * `z7`) AS `p7_7`,
  SUM(`z10` * `z10`) AS `p10_10`,
  SUM(`z11` * `z11`) AS `p11_11`
FROM (
  SELECT
    `cell__number` AS `cell`,
    `metric__converted` AS `z0`,
    COALESCE(`covariate__orders_365d`, CAST('0.7576470588235295' AS FLOAT64)) AS `x1`,
    (
      COALESCE(`covariate__orders_365d`, CAST('0.7576470588235295' AS FLOAT64))
    ) - CAST('0.7576470588235295' AS FLOAT64) AS `z1`,
    COALESCE(`covariate__spend_365d`, CAST('193.69341176470587' AS FLOAT64)) AS `x2`,
    (
      COALESCE(`covariate__spend_365d`, CAST('193.69341176470587' AS FLOAT64))
    ) - CAST('193.69341176470587' AS FLOAT64) AS `z2`,
    COALESCE(`covariate__days_since_last_order`, CAST('400.5870588235294' AS FLOAT64)) AS `x3`,
    (
      COALESCE(`covariate__days_since_last_order`, CAST('400.5870588235294' AS FLOAT64))
    ) - CAST('400.5870588235294' AS FLOAT64) AS `z3`,
    `metric__net_revenue` AS `x4`,
    (
      `metric__net_revenue`
    ) - CAST('13.467023529411762' AS FLOAT64) AS `z4`,
    `metric__paid_orders` AS `x5`,
    (
      `metric__paid_orders`
    ) - CAST('0.052941176470588235' AS FLOAT64) AS `z5`,
    `metric__benefit_cost` AS `x6`,
    (
      `metric__benefit_cost`
    ) - CAST('0.3411764705882353' AS FLOAT64) AS `z6`,
    `metric__profit` AS `x7`,
    (
      `metric__profit`
    ) - CAST('5.009632941176431' AS FLOAT64) AS `z7`,
    `metric__unsubscribed` AS `z8`,
    `metric__complained` AS `z9`,
    `raw__net_revenue` AS `x10`,
    (
      `raw__net_revenue`
    ) - CAST('13.467023529411762' AS FLOAT64) AS `z10`,
    `raw__profit` AS `x11`,
    (
      `raw__profit`
    ) - CAST('5.009632941176431' AS FLOAT64) AS `z11`
  FROM `units`
  WHERE
    TRUE
) AS deviations
GROUP BY
  `cell`;

SELECT
  COALESCE(
    SUM(
      CASE
        WHEN (
          `planned_send_at` > CAST('2026-11-07 02:00:00+00:00' AS TIMESTAMP)
        )
        THEN 1
      END
    ),
    0
  ) AS `open`,
  MAX(`planned_send_at`) AS `last`
FROM `assigned`;
