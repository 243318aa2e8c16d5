;; A policy against contract 0.1.0 that asks every fact and fills every field of an award. golden.wasm was made of it with
;; wit-component 0.254 when 0.1.0 was frozen, and is never made again.
(module
  (import "jifen:policy/purchases@0.1.0" "lifetime-count" (func $lifetime_count (result i64)))
  (import "jifen:policy/purchases@0.1.0" "lifetime-spend-minor" (func $lifetime_spend (result i64)))
  (import "jifen:policy/purchases@0.1.0" "count-since" (func $count_since (param i32) (result i64)))
  (import "jifen:policy/purchases@0.1.0" "spend-minor-since" (func $spend_since (param i32) (result i64)))
  (import "jifen:policy/purchases@0.1.0" "last-day" (func $last_day (result i32)))
  (import "jifen:policy/awards@0.1.0" "granted-since" (func $granted_since (param i32) (result i64)))
  (import "jifen:policy/balance@0.1.0" "available" (func $available (result i64)))
  (import "jifen:policy/balance@0.1.0" "pending" (func $pending (result i64)))
  (import "jifen:policy/membership@0.1.0" "registered-day" (func $registered_day (result i32)))
  (import "jifen:policy/membership@0.1.0" "referred" (func $referred (result i32)))
  (import "jifen:policy/log@0.1.0" "write" (func $log (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "goldengreen")
  (global $next (mut i32) (i32.const 8192))
  (global $points (mut i64) (i64.const 0))

  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32) (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $next (i32.add (local.get $at) (local.get $size)))
    (local.get $at))

  ;; Keeps the digits of its parameters as a number.
  (func (export "jifen:policy/configuration@0.1.0#configure") (param $at i32) (param $length i32) (result i32)
    (local $digit i32)
    (loop $next
      (if (local.get $length) (then
        (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
        (if (i32.lt_u (local.get $digit) (i32.const 10)) (then
          (global.set $points (i64.add (i64.mul (global.get $points) (i64.const 10))
            (i64.extend_i32_u (local.get $digit))))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next))))
    (i32.const 512))

  (func $add (param $points i64)
    (global.set $points (i64.add (global.get $points) (local.get $points))))

  ;; Adds up everything it is told.
  (func (export "jifen:policy/earning@0.1.0#evaluate") (param $arguments i32) (result i32)
    (local $day i32) (local $line i32) (local $end i32)
    (local.set $day (i32.load offset=56 (local.get $arguments)))
    (call $add (call $lifetime_count))
    (call $add (call $lifetime_spend))
    (call $add (call $count_since (local.get $day)))
    (call $add (call $spend_since (local.get $day)))
    (call $add (i64.extend_i32_s (call $last_day)))
    (call $add (call $granted_since (local.get $day)))
    (call $add (call $available))
    (call $add (call $pending))
    (call $add (i64.extend_i32_s (call $registered_day)))
    (call $add (i64.extend_i32_u (call $referred)))
    (call $add (i64.load offset=88 (local.get $arguments)))
    (local.set $line (i32.load offset=24 (local.get $arguments)))
    (local.set $end (i32.add (local.get $line)
      (i32.mul (i32.load offset=28 (local.get $arguments)) (i32.const 40))))
    (loop $next
      (if (i32.lt_u (local.get $line) (local.get $end)) (then
        (call $add (i64.load offset=24 (local.get $line)))
        (local.set $line (i32.add (local.get $line) (i32.const 40)))
        (br $next))))
    (call $log (i32.const 1024) (i32.const 6))

    ;; The award, at 640: to the referrer, of the unit green, for the reason golden, on this day only, for line 4.
    (i32.store8 (i32.const 640) (i32.const 1))
    (i64.store (i32.const 648) (global.get $points))
    (i32.store8 (i32.const 656) (i32.const 1))
    (i32.store (i32.const 660) (i32.const 1030))
    (i32.store (i32.const 664) (i32.const 5))
    (i32.store (i32.const 668) (i32.const 1024))
    (i32.store (i32.const 672) (i32.const 6))
    (i32.store8 (i32.const 676) (i32.const 1))
    (i32.store (i32.const 680) (local.get $day))
    (i32.store8 (i32.const 684) (i32.const 1))
    (i32.store (i32.const 688) (local.get $day))
    (i32.store8 (i32.const 692) (i32.const 1))
    (i32.store (i32.const 696) (i32.const 4))

    ;; The proposal, at 600: awards, of which there is one.
    (i32.store (i32.const 604) (i32.const 640))
    (i32.store (i32.const 608) (i32.const 1))
    (i32.const 600)))
