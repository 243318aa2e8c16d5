//! The names of the earthly branches and the solar terms, as rules are written with them.

/// The twelve earthly branches: pinyin and character, from 子, which is 0.
pub const BRANCHES: [(&str, &str); 12] = [
    ("zi", "子"),
    ("chou", "丑"),
    ("yin", "寅"),
    ("mao", "卯"),
    ("chen", "辰"),
    ("si", "巳"),
    ("wu", "午"),
    ("wei", "未"),
    ("shen", "申"),
    ("you", "酉"),
    ("xu", "戌"),
    ("hai", "亥"),
];

/// The twenty-four solar terms: pinyin and characters, from 立春, which is 0.
pub const SOLAR_TERMS: [(&str, &str); 24] = [
    ("lichun", "立春"),
    ("yushui", "雨水"),
    ("jingzhe", "惊蛰"),
    ("chunfen", "春分"),
    ("qingming", "清明"),
    ("guyu", "谷雨"),
    ("lixia", "立夏"),
    ("xiaoman", "小满"),
    ("mangzhong", "芒种"),
    ("xiazhi", "夏至"),
    ("xiaoshu", "小暑"),
    ("dashu", "大暑"),
    ("liqiu", "立秋"),
    ("chushu", "处暑"),
    ("bailu", "白露"),
    ("qiufen", "秋分"),
    ("hanlu", "寒露"),
    ("shuangjiang", "霜降"),
    ("lidong", "立冬"),
    ("xiaoxue", "小雪"),
    ("daxue", "大雪"),
    ("dongzhi", "冬至"),
    ("xiaohan", "小寒"),
    ("dahan", "大寒"),
];

/// The festivals of the lunar year: pinyin and characters. 除夕 is the year's last day, which is the 29th or the 30th of its
/// twelfth month.
pub const FESTIVALS: [(&str, &str); 9] = [
    ("chunjie", "春节"),
    ("yuanxiao", "元宵"),
    ("duanwu", "端午"),
    ("qixi", "七夕"),
    ("zhongyuan", "中元"),
    ("zhongqiu", "中秋"),
    ("chongyang", "重阳"),
    ("laba", "腊八"),
    ("chuxi", "除夕"),
];

/// Returns the place of a name, in either spelling.
pub(super) fn find(names: &[(&str, &str)], name: &str) -> Option<u8> {
    let place = names.iter().position(|&(pinyin, characters)| name == pinyin || name == characters)?;
    u8::try_from(place).ok()
}
